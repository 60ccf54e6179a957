"""The API keeps what /openapi.json promises: schemathesis, a foreign client, finds no fault in the real program.

The stream of events is left out: it has no end that schemathesis could wait for.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
TIMEOUT_S = 90
TOKEN = "turnout_only-for-this-test"


@contextmanager
def served(state: Path, *token: str) -> Iterator[int]:
    """The port of an API that runs while the context is open."""
    command = [sys.executable, "-m", "tests.integration.api.serve", str(state), *token]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        try:
            yield int(server.stdout.readline())
            _, _ = server.communicate(timeout=TIMEOUT_S)
            assert server.returncode == 0, "the API did not stop cleanly"
        finally:
            server.kill()


@pytest.mark.timeout(2 * TIMEOUT_S)
@pytest.mark.parametrize("token", [(), (TOKEN,)], ids=["open", "secured"])
def test_schemathesis_finds_no_fault(tmp_path, token):
    state = tmp_path / "state"
    state.mkdir()
    with served(state, *token) as port:
        command = [str(SCHEMATHESIS), "run", f"http://127.0.0.1:{port}/openapi.json"]
        command += ["--exclude-path", "/v1/events", "--max-examples", "5", "--seed", "7", "--no-color"]
        command += [part for each in token for part in ("-H", f"Authorization: Bearer {each}")]
        found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert found.returncode == 0, f"what the API promises and what it does differ:\n{found.stdout[-6000:]}"
    assert "No issues found" in found.stdout or "passed" in found.stdout, "schemathesis has tested nothing"
