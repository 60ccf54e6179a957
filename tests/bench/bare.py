"""The floor: a grpc.aio server that knows nothing, and sends bytes that were made before."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import grpc.aio

from xds.limits import Limits

EOF = grpc.aio.EOF  # type: ignore[attr-defined]  # grpc-stubs leaves it out


class BareServer:
    """Sends ``payload`` to every stream that asks, whenever it changes, and counts what comes back."""

    def __init__(self) -> None:
        self.payload = b""
        self.generation = 0
        self.streams: set[asyncio.Event] = set()
        self.answers = 0
        self.reports = 0
        self.answered = asyncio.Event()
        self.wanted = 0

    async def start(self) -> int:
        """Listen on a free port of this machine."""
        self._server = grpc.aio.server(options=Limits().channel_options())
        handlers = {"StreamAggregatedResources": grpc.stream_stream_rpc_method_handler(self._discovery)}
        reports = {"StreamLoadStats": grpc.stream_stream_rpc_method_handler(self._reports)}
        services = [
            ("envoy.service.discovery.v3.AggregatedDiscoveryService", handlers),
            ("envoy.service.load_stats.v3.LoadReportingService", reports),
        ]
        self._server.add_generic_rpc_handlers(tuple(grpc.method_handlers_generic_handler(*each) for each in services))
        port = self._server.add_insecure_port("127.0.0.1:0")
        await self._server.start()
        return port

    async def stop(self) -> None:
        """End all streams."""
        await self._server.stop(0.1)

    async def push(self, payload: bytes) -> None:
        """Send to every stream, and wait until each has answered."""
        self.payload = payload
        self.generation += 1
        self.wanted = self.answers + len(self.streams)
        self.answered.clear()
        for wake in self.streams:
            wake.set()
        await self.answered.wait()

    async def _discovery(self, _requests: Any, context: Any) -> None:
        wake = asyncio.Event()
        wake.set()
        await context.read()
        self.streams.add(wake)
        try:
            async with asyncio.TaskGroup() as tasks:
                reader = tasks.create_task(self._read(context))
                sent = -1
                while not reader.done():
                    await wake.wait()
                    wake.clear()
                    if sent != self.generation and self.payload:
                        sent = self.generation
                        await context.write(self.payload)
        finally:
            self.streams.discard(wake)

    async def _read(self, context: Any) -> None:
        while await context.read() is not EOF:
            self.answers += 1
            if self.answers >= self.wanted:
                self.answered.set()

    async def _reports(self, _requests: Any, context: Any) -> None:
        await context.read()
        await context.write(b"")
        while await context.read() is not EOF:
            self.reports += 1
