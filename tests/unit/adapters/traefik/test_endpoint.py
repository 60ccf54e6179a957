import aiohttp
import pytest

from adapters.port import GatewayError
from adapters.traefik.document import Standing, compose
from adapters.traefik.endpoint import Endpoint

DOCUMENT = compose("edge", {}, "0a")


async def get(url):
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, response.content_type, await response.text()


async def test_the_newest_document_is_served_and_nothing_before_it(unused_tcp_port):
    listen = f"127.0.0.1:{unused_tcp_port}"
    endpoint = Endpoint("edge", listen)
    assert await endpoint.standing(DOCUMENT) is not Standing.SAME
    assert await endpoint.generation() == ""
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(f"http://{listen}/")
    await endpoint.put(DOCUMENT)
    try:
        assert await endpoint.standing(DOCUMENT) is Standing.SAME
        status, kind, text = await get(f"http://{listen}/any/path")
        assert (status, kind) == (200, "application/yaml")
        assert DOCUMENT.stamp in text
        other = compose("other", {}, "0a")
        await endpoint.put(other)
        assert await endpoint.standing(DOCUMENT) is not Standing.SAME
        assert other.stamp in (await get(f"http://{listen}/"))[2]
        assert await endpoint.conflict(DOCUMENT, "bot") == ""
    finally:
        await endpoint.close()
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(f"http://{listen}/")


async def test_an_address_that_is_taken_is_told_and_tried_again(unused_tcp_port):
    first, second = (Endpoint(name, f"127.0.0.1:{unused_tcp_port}") for name in ("first", "second"))
    await first.put(DOCUMENT)
    try:
        with pytest.raises(GatewayError) as raised:
            await second.put(DOCUMENT)
        assert (raised.value.code, raised.value.retryable) == ("unreachable", True)
        assert "cannot be listened on" in str(raised.value)
        assert await second.standing(DOCUMENT) is not Standing.SAME
    finally:
        await first.close()
    await second.put(DOCUMENT)
    await second.close()


async def test_one_that_is_closed_serves_nothing(unused_tcp_port):
    endpoint = Endpoint("edge", f"127.0.0.1:{unused_tcp_port}")
    await endpoint.close()
    with pytest.raises(GatewayError):
        await endpoint.put(DOCUMENT)
