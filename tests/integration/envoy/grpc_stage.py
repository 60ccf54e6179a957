"""Agents that speak gRPC, and gRPC's own client, which is guided by the xDS server with no proxy in between."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import grpc.aio

METHOD = "/agent.Agent/Ask"
DEADLINE_S = 20.0
CLIENT = f"""
import sys, grpc
channel = grpc.insecure_channel(sys.argv[1])
call = channel.unary_unary({METHOD!r})
for line in sys.stdin:
    print(*(call(b"", timeout={DEADLINE_S}).decode() for _ in range(int(line))), flush=True)
"""


class _Answer(grpc.GenericRpcHandler):
    def __init__(self, version: str) -> None:
        self._version = version

    def service(self, handler_call_details):
        return grpc.unary_unary_rpc_method_handler(self._ask)

    async def _ask(self, request, context):
        return self._version.encode()


@contextlib.asynccontextmanager
async def grpc_acting(version: str) -> AsyncIterator[int]:
    """Serve one version of an agent that answers with its name; its port."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_Answer(version),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


class GrpcClient:
    """A process of its own: a process has one bootstrap, and reads it once."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    async def ask(self, count: int = 1) -> Counter[str]:
        """Call so many times; how often each version answered. A call that fails ends the client, and the test."""
        return await asyncio.to_thread(self._ask, count)

    def _ask(self, count: int) -> Counter[str]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        versions = Counter(self._process.stdout.readline().split())
        assert versions.total() == count, "a call of gRPC's own client failed: it has said why"
        return versions


@contextlib.asynccontextmanager
async def grpc_calling(target: str, folder: Path, xds_port: int, **node: str) -> AsyncIterator[GrpcClient]:
    """Run gRPC's own client: ``xds:///agents`` asks the server at `xds_port` where to go, ``HOST:PORT`` goes there."""
    server = {
        "server_uri": f"127.0.0.1:{xds_port}",
        "channel_creds": [{"type": "insecure"}],
        "server_features": ["xds_v3"],
    }
    bootstrap = folder / "grpc.json"
    bootstrap.write_text(json.dumps({"node": node, "xds_servers": [server]}))
    process = subprocess.Popen(  # noqa: ASYNC220 -- only its start is waited for here
        [sys.executable, "-c", CLIENT, target],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"GRPC_XDS_BOOTSTRAP": str(bootstrap), "PATH": ""},
    )
    try:
        yield GrpcClient(process)
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        await asyncio.to_thread(process.wait, DEADLINE_S)
        process.stdout.close()
