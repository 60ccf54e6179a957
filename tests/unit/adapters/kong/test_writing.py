import asyncio
import contextlib

import pytest

from adapters.kong import writing as module
from adapters.kong.node import Mode, Upstream
from adapters.kong.weights import Wanted
from adapters.kong.writing import Writing
from adapters.port import GatewayError

from .admin_api import Script, scripted

UPSTREAM = Upstream("bot.turnout", None)
PATH = "/upstreams/bot.turnout"
A, B = "10.0.0.1:80", "10.0.0.2:80"
ROWS = [{"id": target[:8], "target": target, "weight": 50} for target in (A, B)]
FOUND = {"name": "bot.turnout", "algorithm": "round-robin", "hash_on": "none"}
SILENT = GatewayError("edge", "unconfirmed", "silent", retryable=True)


class Node(Script):
    """A node that shares a database; ``refuses`` what it is to write."""

    def __init__(self, *, refuses=False):
        patched = (400, {"message": "no"}) if refuses else (200, {})
        super().__init__(
            {
                "GET /": (200, {"configuration": {"database": "postgres"}, "node_id": "n"}),
                f"GET {PATH}": (200, FOUND),
                f"GET {PATH}/targets?size=1000": (200, {"data": ROWS, "next": None}),
                **{f"PATCH {PATH}/targets/{row['id']}": patched for row in ROWS},
            }
        )


@pytest.fixture
def patient(monkeypatch):
    """On a slow machine a node that is well would be taken for one that is stuck."""
    monkeypatch.setattr(module, "PATIENCE_S", 60.0)


async def written(*scripts):
    async with contextlib.AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(scripted(script)) for script in scripts]
        waiting = {admin.url: SILENT for admin in nodes}
        turns = {admin.url: asyncio.Lock() for admin in nodes}
        writing = Writing("edge", turns, UPSTREAM, Wanted({A: 100}, {B: 0}), waiting)
        await writing.run(nodes)
    return writing, [waiting.get(admin.url) for admin in nodes]


async def test_one_of_those_that_share_a_database_writes_for_all(patient):
    scripts = [Node(), Node(), Node()]
    writing, waiting = await written(*scripts)
    assert waiting == [None, None, None]
    assert [life.mode for life in writing.lives.values()] == [Mode.DATABASE]
    assert sorted(len(script.writes()) for script in scripts) == [0, 0, 2], (
        "every node would rebuild its wheel for each"
    )


async def test_another_writes_where_one_refuses(patient):
    scripts = [Node(refuses=True), Node()]
    _, waiting = await written(*scripts)
    assert waiting == [None, None]
    assert len(scripts[1].writes()) == 2


async def test_each_says_why_where_none_can_write():
    _, waiting = await written(Node(refuses=True), Script())
    assert [error.code for error in waiting] == ["invalid", "not-found"]
