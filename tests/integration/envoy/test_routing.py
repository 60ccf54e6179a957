"""Which agent a request belongs to, where its endpoints are, and what a change of the settings leaves alone."""

import logging
import socket

import aiohttp
import grpc
import grpc.aio
import pytest

from adapters.port import Applied
from controller.api.context import Stranger
from tests.integration.envoy.stage import acting, agent, gateway, loading, staged, version

VIP = [{"name": "x-plan", "value": "vip"}]


def host(path: str, *hosts: str, **more) -> dict:
    return {"hosts": list(hosts or ("agents.test",)), "pathPrefix": path, **more}


async def ask(client: aiohttp.ClientSession, url: str, **headers: str) -> tuple[int, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.get(url, headers=named) as response:
        return response.status, await response.text()


async def test_agents_share_a_host_by_prefix_and_header(tmp_path, start_envoy, free_port):
    listen = f"127.0.0.1:{free_port()}"
    async with (
        acting("root") as root,
        acting("code") as code,
        acting("vip") as vip,
        acting("any") as anywhere,
        staged(
            tmp_path,
            gateway(listen),
            agent(root.spec(), name="root", route=host("/")),
            agent(code.spec(), name="code", route=host("/v1/code", "agents.test", "*.code.test")),
            agent(vip.spec(), name="vip", route=host("/v1/code", headers=VIP)),
            agent(anywhere.spec(), name="any", route=host("/v1/code", "*")),
        ) as stage,
        aiohttp.ClientSession() as client,
    ):
        await start_envoy(stage.port, node_id="one")
        for name in ("root", "code", "vip", "any"):
            await stage.settled(name)
        url = f"http://{listen}"
        here = {"host": "agents.test"}
        assert await ask(client, url + "/v1/code/chat", **here) == (200, "code")
        assert await ask(client, url + "/v1/code", **here) == (200, "code")
        assert await ask(client, url + "/v1/coder", **here) == (200, "root"), "a prefix matched half a segment"
        assert await ask(client, url + "/v1/code/chat", **here, x_plan="vip") == (200, "vip")
        assert await ask(client, url + "/v1/code/chat", **here, x_plan="free") == (200, "code")
        assert await ask(client, url + "/v1/code", host="my.code.test") == (200, "code")
        assert await ask(client, url + "/v1/code", host="elsewhere.test") == (200, "any")
        assert (await ask(client, url + "/v2", host="elsewhere.test"))[0] == 404


async def test_an_agent_comes_and_goes_by_settings_while_another_serves(tmp_path, start_envoy, free_port):
    listen = f"127.0.0.1:{free_port()}"
    async with (
        acting("1.0") as stable,
        acting("1.1") as candidate,
        acting("new") as new,
    ):
        bot = agent(stable.spec(), candidate.spec(), route=host("/bot"))
        added = agent(new.spec(), name="new", route=host("/new"))
        async with (
            staged(tmp_path, gateway(listen), bot) as stage,
            aiohttp.ClientSession() as client,
        ):
            await start_envoy(stage.port, node_id="one")
            await stage.settled()
            await stage.split(50)
            driver = stage.app.fleet.driver("bot")
            async with loading(listen, stage.app.pulse, path="/bot", host="agents.test") as load:
                for _ in range(3):
                    stage.rewrite(gateway(listen), bot, added)
                    told = len(stage.receipts("new"))
                    await stage.until(lambda known=told: len(stage.receipts("new")) > known, "the new agent is served")
                    assert stage.receipts("new")[-1].outcome is Applied.CONFIRMED
                    assert await ask(client, f"http://{listen}/new", host="agents.test") == (200, "new")
                    stage.rewrite(gateway(listen), bot)
                    await stage.until(lambda: "new" not in stage.app.fleet.drivers, "the new agent is gone")
                    await stage.settled()
                    await stage.reported("one", 3)
                assert (await ask(client, f"http://{listen}/new", host="agents.test"))[0] == 404
            assert load.failed == [], "another agent's coming and going cost requests"
            assert stage.app.fleet.driver("bot") is driver
            assert stage.state().split.candidate_bp == 5_000
            shares = load.by_version()
            assert min(shares.values()) > shares.total() / 4, "the split was disturbed"


async def test_names_are_looked_up_and_a_name_that_has_no_address_harms_nobody(tmp_path, start_envoy, free_port):
    listen = f"127.0.0.1:{free_port()}"
    async with acting("1.0") as stable, acting("1.1") as candidate:
        named = version("1.0", f"localhost:{stable.port}")
        lost = agent(version("9", "lost.invalid:80"), name="lost", route=host("/lost"))
        bot = agent(named, candidate.spec(), route=host("/bot"))
        async with staged(tmp_path, gateway(listen), bot) as stage, aiohttp.ClientSession() as client:
            await start_envoy(stage.port, node_id="one")
            await stage.settled()
            assert await ask(client, f"http://{listen}/bot", host="agents.test") == (200, "1.0")
            stage.rewrite(gateway(listen), bot, lost)
            await stage.until(lambda: stage.receipts("lost"), "the new agent was tried")
            assert "lost.invalid" in stage.receipts("lost")[0].detail
            await stage.split(100)
            assert await ask(client, f"http://{listen}/bot", host="agents.test") == (200, "1.1")
            await stage.split(0)
            assert await ask(client, f"http://{listen}/bot", host="agents.test") == (200, "1.0")


def has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


async def test_ipv6_inside_and_outside(tmp_path, start_envoy, free_port):
    outside, inside = ("[::1]", "::1") if has_ipv6() else ("127.0.0.1", "127.0.0.1")
    listen = f"{outside}:{free_port()}"
    async with acting("1.0", address=inside) as stable:
        spec = version("1.0", f"{outside}:{stable.port}")
        async with staged(tmp_path, gateway(listen), agent(spec)) as stage, aiohttp.ClientSession() as client:
            await start_envoy(stage.port, node_id="one")
            await stage.settled()
            assert await ask(client, f"http://{listen}/") == (200, "1.0")


@pytest.mark.parametrize("method", ["StreamAggregatedResources", "DeltaAggregatedResources"])
async def test_garbage_and_strangers_leave_the_rest_alone(tmp_path, start_envoy, free_port, caplog, method):
    caplog.set_level(logging.WARNING)
    listen = f"127.0.0.1:{free_port()}"
    async with (
        acting("1.0") as stable,
        acting("1.1") as candidate,
        staged(tmp_path, gateway(listen), agent(stable.spec(), candidate.spec())) as stage,
    ):
        await start_envoy(stage.port, node_id="one")
        await stage.settled()
        async with loading(listen, stage.app.pulse) as load:
            with socket.create_connection(("127.0.0.1", stage.port)) as stranger:
                stranger.sendall(b"\x16\x03\x01 what is this? " * 1000)
            async with grpc.aio.insecure_channel(f"127.0.0.1:{stage.port}") as channel:
                call = channel.stream_stream(f"/envoy.service.discovery.v3.AggregatedDiscoveryService/{method}")()
                await call.write(b"\xff" * 100)
                assert await call.code() is grpc.StatusCode.INVALID_ARGUMENT
            stray = Stranger("stray", "elsewhere")
            await start_envoy(stage.port, node_id=stray.node, cluster=stray.cluster, delta=method.startswith("Delta"))
            await stage.until(lambda: stray in stage.app.strangers(), "the stray Envoy is held")
            await stage.split(40)
            await stage.split(0)
            await load.more(20)
        assert load.failed == []
        [warning] = [record.getMessage() for record in caplog.records if "stray" in record.getMessage()]
        assert "'elsewhere'" in warning
        assert "node.cluster" in warning, "the warning does not say what to do"
