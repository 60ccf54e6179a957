import aiohttp
import pytest

from adapters.port import Assignment, GatewayError, Proof, Route, Split, Version
from adapters.traefik.document import compose
from adapters.traefik.edition import Wanted
from adapters.traefik.endpoint import Endpoint
from adapters.traefik.translation import translate

OLD, NEW = Version("1.0", ("10.0.0.1:3000",)), Version("1.1", ("10.0.0.2:3000",))


def wanted(candidate_bp=0, wish=1):
    assignment = Assignment("bot", Route(), OLD, NEW, Split(candidate_bp))
    return Wanted(compose({"bot": translate(assignment)}), {"bot": wish})


async def get(url):
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, response.content_type, await response.text()


async def test_the_newest_document_is_served_and_nothing_before_it(unused_tcp_port):
    listen = f"127.0.0.1:{unused_tcp_port}"
    endpoint = Endpoint("edge", listen, "0a")
    assert (await endpoint.verify("bot")).proof is Proof.RESET
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(f"http://{listen}/")
    await endpoint.put(wanted())
    try:
        assert (await endpoint.verify("bot")).proof is Proof.APPLIED
        status, kind, text = await get(f"http://{listen}/any/path")
        assert (status, kind) == (200, "application/yaml")
        assert '"0a-1"' in text
        await endpoint.put(wanted(wish=2))
        assert (await get(f"http://{listen}/"))[2] == text, "Traefik would build everything anew for nothing"
        await endpoint.put(wanted(100, wish=3))
        assert '"0a-2"' in (await get(f"http://{listen}/"))[2]
        assert await endpoint.conflict({}) == ""
    finally:
        await endpoint.close()
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(f"http://{listen}/")


async def test_an_address_that_is_taken_is_told_and_tried_again(unused_tcp_port):
    first, second = (Endpoint(name, f"127.0.0.1:{unused_tcp_port}", "0a") for name in ("first", "second"))
    await first.put(wanted())
    try:
        with pytest.raises(GatewayError) as raised:
            await second.put(wanted())
        assert (raised.value.code, raised.value.retryable) == ("unreachable", True)
        assert "cannot be listened on" in str(raised.value)
        assert (await second.verify("bot")).proof is not Proof.APPLIED
        assert not second.edition.answers("bot", 1), "what nobody can read would count as put"
    finally:
        await first.close()
    await second.put(wanted())
    await second.close()


async def test_one_that_is_closed_serves_nothing(unused_tcp_port):
    endpoint = Endpoint("edge", f"127.0.0.1:{unused_tcp_port}", "0a")
    await endpoint.close()
    with pytest.raises(GatewayError):
        await endpoint.put(wanted())
