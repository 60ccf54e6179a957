import json

import click
from click.testing import CliRunner

from controller.cli.failure import Exit, Failure, refused, refused_by_controller, unconfirmed, unreachable
from controller.cli.options import with_output
from controller.errors import ConflictError


def test_a_refusal_says_what_where_and_what_to_do():
    problem = {"status": 409, "title": "Conflict", "detail": "It is paused.", "code": "refused", "remedy": "Resume it."}
    failure = refused_by_controller(problem, status=409, where="POST /v1/agents/a/pause")
    assert failure.exit_code == Exit.REFUSED
    assert failure.told() == (
        "turnout: It is paused.\n  where: POST /v1/agents/a/pause\n  remedy: Resume it.\n  code: refused"
    )


def test_a_refusal_without_details_still_says_something():
    assert refused_by_controller({"title": "Gone"}, status=410, where="x").what == "Gone"
    assert refused_by_controller({}, status=410, where="x").code == "http-410"


def test_every_field_at_fault_and_every_change_that_was_missed_is_told():
    missed = {
        "seq": 3,
        "at": "2026-01-31T12:00:00.123456Z",
        "actor": "bob",
        "phase": "paused",
        "change": 8,
        "text": "bob: pause",
    }
    problem = {
        "detail": "It has changed.",
        "faults": [{"field": "version", "message": "Too long."}],
        "missed": [missed],
    }
    failure = refused_by_controller(problem, status=412, where="x")
    assert failure.what == "It has changed.\n  version: Too long.\n  2026-01-31T12:00:00 bob: pause (paused)"
    assert failure.details["missed"] == [missed], "a program could not tell what happened in between"
    told_already = {"detail": "version: Too long.", "faults": [{"field": "version", "message": "Too long."}]}
    assert refused_by_controller(told_already, status=422, where="x").what == "version: Too long."
    assert refused_by_controller({"detail": "d", "faults": "odd", "missed": [1]}, status=400, where="x").what == "d"


def test_whoever_has_no_token_is_told_how_to_give_one():
    assert "TURNOUT_TOKEN" in refused_by_controller({"detail": "No token."}, status=401, where="x").remedy


def test_exit_codes_are_the_promised_ones():
    assert refused(ConflictError("no")).exit_code == 1
    assert unreachable("http://x", "refused").exit_code == 3
    assert unconfirmed("late", where="x", remedy="y").exit_code == 4


def test_hostile_words_are_made_plain():
    assert "\x1b" not in Failure("x", "\x1b[2J", exit_code=Exit.REFUSED).told()


def test_programs_get_json_on_standard_error():
    @click.command()
    @with_output
    def fail(output):
        raise Failure("conflict", "no", where="here", remedy="do", exit_code=Exit.REFUSED)

    result = CliRunner().invoke(fail, ["--output", "json"])
    assert json.loads(result.stderr) == {
        "code": "conflict",
        "detail": "no",
        "where": "here",
        "remedy": "do",
        "exit_code": 1,
    }
    assert result.stdout == "", "a program that reads standard output must not take a failure for an answer"
