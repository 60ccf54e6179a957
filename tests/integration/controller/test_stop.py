"""The program itself, told to stop as systemd and Kubernetes do: in order, whole, and with exit code 0."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys

import aiohttp
import pytest

from controller.journal.store import Journal

PATIENCE_S = 30.0
RUN = (sys.executable, "-c", "from controller.cli.main import main; main()", "run")
SETTINGS = """\
apiVersion: turnout.dev/v1alpha1
kind: Gateway
metadata: {name: edge}
spec: {type: nop}
---
apiVersion: turnout.dev/v1alpha1
kind: Agent
metadata: {name: bot}
spec:
  gateways: [edge]
  stable: {version: "1.0", endpoints: ["127.0.0.1:3000"]}
  candidate: {version: "1.1", endpoints: ["127.0.0.1:3001"]}
"""


@pytest.fixture
async def controller(tmp_path):
    """The process that says where it is as programs read it, and a client of its API."""
    config = tmp_path / "turnout.yaml"
    config.write_text(SETTINGS)
    places = ("--config", str(config), "--state-dir", str(tmp_path), "--http", "127.0.0.1:0", "--xds", "127.0.0.1:0")
    process = await asyncio.create_subprocess_exec(*RUN, *places, "--output", "json", stdout=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(PATIENCE_S):
            ready = json.loads(await process.stdout.readline())
        assert ready["ready"] is True
        assert ready["xds"].startswith("xds://127.0.0.1:")
        async with aiohttp.ClientSession(ready["http"], timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as client:
            yield process, client
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_is_clean_and_loses_nothing(controller, tmp_path, number):
    process, client = controller
    async with client.get("/v1/events") as events:
        async with client.put("/v1/agents/bot/split", json={"candidate_percent": 25}) as answer:
            assert answer.status == 200, await answer.text()
        process.send_signal(number)
        async with asyncio.timeout(PATIENCE_S):
            await events.content.read()  # the stream is ended, not cut: a cut one would raise
            assert await process.wait() == 0, "systemd would call it failed"
    assert await process.stdout.read() == b""
    journal = Journal.open(tmp_path / "journal.sqlite")
    try:
        assert journal.verify().records
        assert any(record.body.get("event") == "SplitSet" for record in journal.replay()), "an operator's split is lost"
    finally:
        journal.close()
