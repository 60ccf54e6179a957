"""A controller that starts while another agent's name does not resolve."""

import asyncio

import aiohttp
import pytest

from adapters.envoy.gateway import EnvoyGateway
from adapters.port import Applied
from tests.integration.envoy.stage import WAIT_S, acting, agent, gateway, loading, staged, version

ROUTES = {"bot": {"pathPrefix": "/bot"}, "other": {"pathPrefix": "/other"}}


class Names:
    """A resolver that knows no name at all while it is down."""

    is_down = False

    async def __call__(self, host: str, port: int):
        if self.is_down:
            raise OSError("no such name")
        return ("127.0.0.1",)


@pytest.fixture
def names(monkeypatch) -> Names:
    resolver = Names()
    monkeypatch.setitem(EnvoyGateway.__init__.__kwdefaults__, "resolve", resolver)
    return resolver


@pytest.mark.parametrize("delta", [False, True])
async def test_nobodys_rollback_waits_for_the_name_of_another_agent(tmp_path, start_envoy, free_port, names, delta):
    listen, xds_port = f"127.0.0.1:{free_port()}", free_port()
    async with acting("1.0") as stable, acting("1.1") as candidate, acting("2.0") as other:
        documents = [
            gateway(listen),
            agent(stable.spec(), candidate.spec(), route=ROUTES["bot"]),
            agent(version("2.0", f"other.test:{other.port}"), name="other", route=ROUTES["other"]),
        ]
        async with staged(tmp_path, *documents, xds_port=xds_port) as stage:
            await start_envoy(xds_port, node_id="one", delta=delta)
            await stage.settled("other")
            await stage.split(50)
        names.is_down = True
        async with staged(tmp_path, *documents, xds_port=xds_port) as stage:
            async with loading(listen, stage.app.pulse, path="/other") as load:
                await stage.split(0)
                await stage.settled("other")
                [receipt] = stage.receipts("other")[-1:]
                assert (receipt.outcome, "other.test" in receipt.detail) == (Applied.CONFIRMED, True)
                assert "other.test" in (await stage.app.fleet.adapters["edge"].status()).detail
                await load.more(100)
                names.is_down = False
                await stage.until(lambda: not receipt_of(stage).detail, "the name that resolves again is noticed")
                await load.more(100)
            assert load.failed == [], "an agent lost requests because its name did not resolve"
            assert {answer.version for answer in load.answers} == {"2.0"}


def receipt_of(stage):
    return stage.receipts("other")[-1]


@pytest.mark.parametrize("delta", [False, True])
async def test_an_envoy_that_starts_meanwhile_serves_the_others(tmp_path, start_envoy, free_port, names, delta):
    listen = f"127.0.0.1:{free_port()}"
    names.is_down = True
    async with acting("1.0") as stable, acting("2.0") as other:
        documents = [
            gateway(listen),
            agent(stable.spec(), route=ROUTES["bot"]),
            agent(version("2.0", f"other.test:{other.port}"), name="other", route=ROUTES["other"]),
        ]
        async with staged(tmp_path, *documents) as stage:
            envoy = await start_envoy(stage.port, node_id="fresh", delta=delta)
            # It waits for the endpoints of each cluster, but not for ever, and listens a moment later.
            await envoy.logged("starting workers")
            await stage.settled("bot")
            async with aiohttp.ClientSession() as client:
                assert await answer(client, f"http://{listen}/bot") == (200, "1.0")
                assert (await answer(client, f"http://{listen}/other"))[0] == 503
                names.is_down = False
                await stage.until(lambda: not receipt_of(stage).detail, "the name that resolves is noticed")
                await stage.settled("other")
                assert await answer(client, f"http://{listen}/other") == (200, "2.0")


async def answer(client: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    async with asyncio.timeout(WAIT_S):
        while True:
            try:
                async with client.get(url) as response:
                    return response.status, await response.text()
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(0)
