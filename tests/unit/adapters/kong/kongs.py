"""Simulated Kong nodes behind one gateway, on a clock that moves when the adapter waits."""

import contextlib

from adapters.kong.gateway import KongGateway, KongOptions
from adapters.port import Assignment, Route, Split, Version
from tests.contract.simulators.forwarding import port_of, serve
from tests.contract.simulators.kong.admin import AdminApi
from tests.contract.simulators.kong.ring import Ring
from tests.contract.simulators.kong.store import Store

A, B = "10.0.0.1:80", "10.0.0.2:80"


def at(candidate_bp, agent="bot", *, stable=(A,), **more):
    split = Split(candidate_bp)
    return Assignment(agent, Route(), Version("1.0", stable), Version("1.1", (B,)), split=split, **more)


class Kongs:
    """Nodes that share a configuration, on a clock that moves when the adapter waits.

    Attributes:
        delays_s: how long each node takes to follow.
    """

    def __init__(self, *delays_s, database="postgres"):
        self.now_s = 0.0
        shared = Store(lambda: self.now_s)
        self.stores = [shared if database != "off" else Store(lambda: self.now_s) for _ in delays_s]
        self.rings = [
            Ring(store, lambda: self.now_s, delay_s=delay_s, settles_after_s=0.0)
            for store, delay_s in zip(self.stores, delays_s, strict=True)
        ]
        for store in set(self.stores):
            rings = [ring for ring, owned in zip(self.rings, self.stores, strict=True) if owned is store]
            store.changed = lambda rings=rings: [ring.heard() for ring in rings]
        pairs = zip(self.stores, self.rings, strict=True)
        self.apis = [AdminApi(store, ring, database=database) for store, ring in pairs]

    async def sleep(self, delay_s):
        self.now_s += delay_s

    def weights(self, index=0):
        return {row["target"]: row["weight"] for row in self.stores[index].listed("targets")}

    @contextlib.asynccontextmanager
    async def gateway(self, *elsewhere, first=(), **options):
        """An adapter of these nodes and of others, which stand ``first`` in the settings or behind them."""
        self.runners = [await serve(api.app(), 0) for api in self.apis]
        self.urls = tuple(f"http://127.0.0.1:{port_of(runner)}" for runner in self.runners)
        nodes = (*first, *self.urls, *elsewhere)
        gateway = KongGateway("edge", KongOptions(nodes, **options), now_s=lambda: self.now_s, sleep=self.sleep)
        try:
            yield gateway
        finally:
            await gateway.close()
            for runner in self.runners:
                await runner.cleanup()
