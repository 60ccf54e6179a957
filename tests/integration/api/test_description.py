"""The API keeps what /openapi.json promises: schemathesis, a foreign client, finds no fault in the real program.

The stream of events is left out: it has no end that schemathesis could wait for.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.api import acceptance
from tests.integration.api.serve import AGENTS

ROOT = Path(__file__).parents[3]
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
TIMEOUT_S = 150
TOKEN = "turnout_only-for-this-test"
EXAMPLES = 40
"""Per operation: some 2,000 requests in all. With 200, tried by hand with seven seeds, nothing more was found."""


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
@pytest.mark.parametrize(("token", "agent"), [((), ""), ((TOKEN,), AGENTS[0])], ids=["open", "secured, one agent"])
def test_schemathesis_finds_no_fault(tmp_path, token, agent):
    state = tmp_path / "state"
    state.mkdir()
    # With random names hardly a request gets beyond "no such agent", with one name none comes there.
    parameters = f'[parameters]\n"path.name" = "{agent}"\n' if agent else ""
    (tmp_path / "schemathesis.toml").write_text(parameters)
    with served(state, *token) as port:
        command = [str(SCHEMATHESIS), "run", f"http://127.0.0.1:{port}/openapi.json"]
        command += ["--exclude-path", "/v1/events", "--max-examples", str(EXAMPLES), "--seed", "7", "--no-color"]
        command += ["--exclude-checks", "positive_data_acceptance"]
        command += [part for each in token for part in ("-H", f"Authorization: Bearer {each}")]
        env = {**os.environ, "SCHEMATHESIS_HOOKS": acceptance.__name__, "PYTHONPATH": str(ROOT)}
        found = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    assert found.returncode == 0, f"what the API promises and what it does differ:\n{found.stdout[-6000:]}"
    passed = re.search(r"(\d+) generated, (\d+) passed", found.stdout)
    assert passed, f"schemathesis has tested nothing:\n{found.stdout[-6000:]}"
    assert int(passed[2]) > 1_000, "schemathesis has hardly tested anything"
