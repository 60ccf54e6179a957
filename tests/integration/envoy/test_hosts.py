"""Hosts as clients send them: with the port in the name, wherever that is not the protocol's own."""

import aiohttp

from tests.integration.envoy.stage import acting, agent, gateway, staged


async def test_a_host_is_matched_whatever_port_the_client_names(tmp_path, start_envoy, free_port):
    port = free_port()
    async with (
        acting("exact") as exact,
        acting("suffix") as suffix,
        acting("any") as anywhere,
        staged(
            tmp_path,
            gateway(f"127.0.0.1:{port}"),
            agent(exact.spec(), name="exact", route={"hosts": ["localhost"]}),
            agent(suffix.spec(), name="suffix", route={"hosts": ["*.agents.test"]}),
            agent(anywhere.spec(), name="any", route={"hosts": ["*"], "pathPrefix": "/any"}),
        ) as stage,
        aiohttp.ClientSession() as client,
    ):
        await start_envoy(stage.port, node_id="one")
        for name in ("exact", "suffix", "any"):
            await stage.settled(name)

        async def answer(path: str = "/", **headers: str) -> tuple[int, str]:
            async with client.get(f"http://localhost:{port}{path}", headers=headers) as response:
                return response.status, await response.text()

        assert await answer() == (200, "exact"), "a client that sends its own host and port finds no agent"
        assert await answer(host="localhost") == (200, "exact")
        assert await answer(host="mail.agents.test:8443") == (200, "suffix")
        assert (await answer(host="agents.test:8443"))[0] == 404, "a suffix took the name itself"
        assert await answer("/any", host="[::1]:8443") == (200, "any")
