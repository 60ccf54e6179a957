import asyncio

import pytest

from adapters.haproxy.runtime import Runtime
from adapters.port import GatewayError
from tests.unit.adapters.haproxy.scripted import scripted


@pytest.mark.parametrize(
    ("answer", "code", "retryable"),
    [
        ("No such backend.\n", "not-found", False),
        ("No such server.\n", "not-found", False),
        ("No such proxy.\n", "not-found", False),
        ("Unknown map identifier. Please use #<id> or <file>.\n", "not-found", False),
        ("Permission denied\n", "denied", False),
        ("Unknown command: 'x', but maybe\n  help\n", "invalid", False),
        ("Absolute weight can only be between 0 and 256 inclusive.\n", "invalid", False),
        ("This command is restricted to experimental mode only.\n", "invalid", False),
        ("Can't find the target PID matching the prefix '@!1'\n", "unreachable", True),
        (None, "unreachable", True),
    ],
)
async def test_each_no_has_its_code_and_keeps_its_words(tmp_path, answer, code, retryable):
    async with scripted(tmp_path, answers={"x": answer}) as haproxy:
        with pytest.raises(GatewayError) as raised:
            await Runtime("edge", haproxy.address).ask("x")
    assert (raised.value.code, raised.value.retryable) == (code, retryable)
    assert (answer or "without an answer").splitlines()[0] in str(raised.value), "a person would not find the cause"
    assert haproxy.address in str(raised.value), "nobody would know which process it was"


async def test_an_order_that_is_answered_at_all_was_refused(tmp_path):
    async with scripted(tmp_path, answers={"x": "something new\n", "y": "\n", "z": "port changed\n"}) as haproxy:
        runtime = Runtime("edge", haproxy.address)
        await runtime.order("y")
        await runtime.order("z", "port changed")
        with pytest.raises(GatewayError, match="something new"):
            await runtime.order("x")


async def test_no_socket_and_a_stale_one_are_unreachable(tmp_path):
    async with scripted(tmp_path) as haproxy:
        pass
    for address, words in ((haproxy.address, "refused"), (f"unix:{tmp_path}/none", "no such socket")):
        with pytest.raises(GatewayError, match=words) as raised:
            await Runtime("edge", address).ask("show info")
        assert raised.value.code == "unreachable"


async def test_who_may_not_open_the_socket_is_told_so(monkeypatch):
    async def denied(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(asyncio, "open_unix_connection", denied)
    with pytest.raises(GatewayError, match="may not open") as raised:
        await Runtime("edge", "unix:/s").ask("show info")
    assert raised.value.code == "denied"


async def test_a_frozen_process_holds_nobody_up(tmp_path):
    forever = asyncio.Event()
    async with scripted(tmp_path, answers={"show info": forever.wait}) as haproxy:
        with pytest.raises(GatewayError, match=r"no answer within 0\.05 s"):
            await Runtime("edge", haproxy.address, timeout_s=0.05).ask("show info")
        forever.set()


async def test_an_endless_answer_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("adapters.haproxy.runtime.ANSWER_BYTES_MAX", 10)
    async with scripted(tmp_path, answers={"x": "endless" * 10}) as haproxy:
        with pytest.raises(GatewayError, match="endless"):
            await Runtime("edge", haproxy.address).ask("x")


async def test_it_speaks_tcp_and_half_closes_where_a_master_wants_it():
    ended = asyncio.Event()

    async def serve(reader, writer):
        assert await reader.read() == b"show proc\n"
        ended.set()
        writer.write(b"done\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await Runtime("edge", f"127.0.0.1:{port}", half_close=True).ask("show proc") == "done"
    assert ended.is_set()


async def test_several_looks_share_a_connection_and_keep_their_answers_apart(tmp_path):
    answers = {"show a": "one\ntwo\n", "show b": "", "show c": "three\n", "show d": "No such proxy.\n"}
    async with scripted(tmp_path, answers=answers) as haproxy:
        runtime = Runtime("edge", haproxy.address)
        assert await runtime.look("show a", "show b", "show c") == ["one\ntwo", "", "three"]
        with pytest.raises(GatewayError, match="'show d': No such proxy"):
            await runtime.look("show a", "show d", "show c")
        haproxy.answers["show b"] = None
        with pytest.raises(GatewayError, match="1 answers to 3 commands") as raised:
            await runtime.look("show a", "show b", "show c")
        assert raised.value.code == "unreachable", "half of an answer would be taken for what stands"
