import json
import subprocess
import sys

import click
import pytest

from controller.cli.main import VERBS, main

HEAVY = ("aiohttp", "asyncio", "controller.app", "grpc", "kubernetes", "pydantic", "rich", "uvloop", "xds")


def test_help_starts_fast_because_it_imports_nothing_heavy():
    program = (
        "import json, sys\n"
        "from controller.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print(json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & set(HEAVY), "whoever presses Tab or asks for help waits for these to load"
    assert "set-weight" in done.stdout


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_command_of_its_name_and_says_what_it_does(verb):
    command = main.get_command(click.Context(main), verb)
    assert isinstance(command, click.Command)
    assert command.name == verb
    assert command.help
    assert len(VERBS[verb][1]) < 80


def test_an_unknown_verb_is_wrong_usage(turnout):
    result = turnout("sett-weight")
    assert result.exit_code == 2
    assert "No such command 'sett-weight'" in result.stderr


def test_help_lists_every_verb(turnout):
    told = turnout.ok("--help")
    assert all(f"  {verb} " in told for verb in VERBS)
