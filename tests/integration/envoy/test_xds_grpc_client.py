"""gRPC's own client as a foreign subscriber."""

import asyncio
import json
import subprocess
import sys

import grpc
import grpc.aio
import pytest

from tests.integration.envoy.xds_stage import WAIT_S
from xds.resources import (
    ApiListener,
    Cluster,
    ClusterEndpoints,
    Endpoint,
    Route,
    Share,
    Snapshot,
    VersionEndpoints,
    route_table,
    share_hosts,
)

GRPC_CLIENT = """
import sys, grpc
channel = grpc.insecure_channel("xds:///agents")
call = channel.unary_unary("/agent.Agent/Ask")
for line in sys.stdin:
    print(call(b"", timeout=20).decode(), flush=True)
"""


class _Answer(grpc.GenericRpcHandler):
    def __init__(self, version):
        self._version = version

    def service(self, handler_call_details):
        return grpc.unary_unary_rpc_method_handler(self._ask)

    async def _ask(self, request, context):
        return self._version.encode()


@pytest.fixture
async def start_grpc_agent():
    servers = []

    async def start(version):
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((_Answer(version),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        servers.append(server)
        return port

    yield start
    for server in servers:
        await server.stop(None)


async def test_grpcs_own_client_follows_the_split_and_reports_its_load(server, reports, start_grpc_agent, tmp_path):
    def group(candidate_bp):
        shares = (Share("a/stable", 10_000 - candidate_bp), Share("a/candidate", candidate_bp))
        return Snapshot.of(
            [
                ApiListener("agents", "agents").resource(),
                route_table("agents", share_hosts([(["*"], Route("/agent.Agent/", shares, whole_segments=False))])),
                *(
                    resource
                    for name, version in (("a/stable", "1"), ("a/candidate", "2"))
                    for resource in (
                        Cluster(name, http2=True, report_load=True).resource(),
                        ClusterEndpoints(
                            name, (VersionEndpoints(version, (Endpoint("127.0.0.1", ports[version]),)),)
                        ).resource(),
                    )
                ),
            ]
        )

    ports = {version: await start_grpc_agent(version) for version in ("1", "2")}
    bootstrap = {
        "node": {"id": "grpc-one", "cluster": "direct"},
        "xds_servers": [
            {
                "server_uri": f"127.0.0.1:{server.port}",
                "channel_creds": [{"type": "insecure"}],
                "server_features": ["xds_v3"],
            }
        ],
    }
    path = tmp_path / "grpc.json"
    path.write_text(json.dumps(bootstrap))
    server.set_load_report_interval("direct", 0.1)
    generation = server.cache.set("direct", group(0))
    process = subprocess.Popen(  # noqa: ASYNC220 -- only its start is waited for here
        [sys.executable, "-c", GRPC_CLIENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"GRPC_XDS_BOOTSTRAP": str(path), "PATH": ""},
    )

    def ask():
        process.stdin.write("\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    try:
        assert await asyncio.to_thread(ask) == "1"
        assert (await server.confirmed("direct", generation, WAIT_S)).is_confirmed
        generation = server.cache.set("direct", group(10_000))
        assert (await server.confirmed("direct", generation, WAIT_S)).is_confirmed
        async with asyncio.timeout(WAIT_S):
            while await asyncio.to_thread(ask) != "2":
                pass
        await reports.until(lambda sums: sums["a/stable", "1", "ok"] and sums["a/candidate", "2", "ok"])
    finally:
        process.stdin.close()
        process.wait(WAIT_S)
        process.stdout.close()
