import asyncio

from adapters.openresty import addresses as module
from adapters.openresty.addresses import LOOKUPS_MAX, addresses_of, look_up, without_lookup


async def refuse(host, port):
    raise OSError(f"nobody knows {host}")


async def test_addresses_are_never_looked_up():
    found = await addresses_of(["10.0.0.1:80", "[::1]:81"], refuse, {}, again=True)
    assert found == {"10.0.0.1:80": ("10.0.0.1:80",), "[::1]:81": ("[::1]:81",)}, "nginx wants IPv6 in brackets"


async def test_a_name_that_resolves_no_longer_keeps_its_addresses():
    known = {"a.internal:80": ("10.0.0.1:80",)}
    assert await addresses_of(["a.internal:80"], refuse, known, again=True) == known, (
        "a DNS outage would be an outage of the agent"
    )
    assert await addresses_of(["a.internal:80"], refuse, {}, again=True) == {}


async def test_lookups_are_bounded_and_each_name_is_asked_for_once():
    asked, busy, most = [], 0, 0

    async def resolve(host, port):
        nonlocal busy, most
        asked.append(host)
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0)
        busy -= 1
        return (f"10.0.0.1:{port}",)

    names = [f"a{number}.internal:80" for number in range(3 * LOOKUPS_MAX)]
    assert len(await addresses_of([*names, names[0]], resolve, {}, again=True)) == len(names)
    assert len(asked) == len(names)
    assert most <= LOOKUPS_MAX, "a version with many endpoints would flood the resolver"


async def test_a_resolver_that_hangs_is_waited_for_once_and_not_for_each_name(monkeypatch):
    monkeypatch.setattr(module, "LOOKUP_TIMEOUT_S", 0.01)
    never = asyncio.Event()

    async def hang(host, port):
        if host == "a0.internal":
            return (f"10.0.0.1:{port}",)
        await never.wait()
        raise AssertionError("it was to be given up")

    names = [f"a{number}.internal:80" for number in range(3 * LOOKUPS_MAX)]
    async with asyncio.timeout(30.0):
        found = await addresses_of(names, hang, {}, again=True)
    assert found == {"a0.internal:80": ("10.0.0.1:80",)}


def test_what_is_known_needs_nobody():
    known = {"a.internal:80": ("10.0.0.1:80",)}
    found = without_lookup(["a.internal:80", "b.internal:80", "[::1]:81"], known)
    assert found == {**known, "[::1]:81": ("[::1]:81",)}


async def test_the_systems_resolver_is_asked():
    assert "127.0.0.1:80" in await look_up("localhost", 80)


async def test_what_is_known_is_not_looked_up_for_a_change_of_the_split():
    known = {"a.internal:80": ("10.0.0.1:80",)}

    async def never(host, port):
        raise AssertionError("a rollback would wait for a resolver")

    assert await addresses_of(["a.internal:80"], never, known, again=False) == known
