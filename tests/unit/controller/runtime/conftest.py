"""Every asynchronous test here runs on virtual time, unless it needs a socket: what takes an hour takes no time."""

from __future__ import annotations

import asyncio

import pytest

from tests.sim.clock import VirtualLoop
from tests.unit.controller.runtime.stage import Gateway, Stage

NEEDS_A_SOCKET = ("test_drain_call.py",)


def pytest_asyncio_loop_factories(config, item):
    real = item.path.name in NEEDS_A_SOCKET
    return {"real": asyncio.SelectorEventLoop} if real else {"virtual": VirtualLoop}


@pytest.fixture
def edge():
    return Gateway("edge")


@pytest.fixture
def inner():
    return Gateway("inner")


@pytest.fixture
def stage(edge, inner):
    return Stage(edge, inner)
