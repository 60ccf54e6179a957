"""In programs of their own: what is imported first is what counts."""

import os
import subprocess
import sys

import pytest

from xds.polling import SETTINGS


def said_by(program, **environment):
    bare = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, env=bare | environment, capture_output=True, text=True, check=True).stdout.split()


@pytest.mark.parametrize("module", ["xds.server", "controller.app", "controller.cli.run", "controller.tls"])
def test_grpc_is_never_imported_before_it_is_told_how_to_wait(module):
    program = f"import sys, {module}; print(*(name for name in sys.modules if name in ('xds.polling', 'grpc')))"
    assert said_by(program) in (["xds.polling", "grpc"], ["xds.polling"], []), "a push costs half as much again"


SERVES = """
import asyncio, xds.server
async def serve():
    server = xds.server.XdsServer("127.0.0.1:0")
    await server.start()
    await server.stop()
asyncio.run(serve())
"""


def test_grpc_knows_what_it_is_told():
    ended = subprocess.run([sys.executable, "-c", SERVES], capture_output=True, text=True, check=True, timeout=60)
    assert "experiment" not in ended.stderr, "this gRPC has no such setting any more, and logs that at every start"


def test_what_the_operator_has_set_stays():
    program = "import os, xds; print(os.environ['GRPC_EXPERIMENTS'], os.environ['GRPC_ENABLE_FORK_SUPPORT'])"
    assert said_by(program) == list(SETTINGS.values())
    assert said_by(program, GRPC_EXPERIMENTS="tcp_frame_size_tuning")[0] == "tcp_frame_size_tuning"
