import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.haproxy import answers
from tests.unit.adapters.haproxy.scripted import COLUMNS, stat


def test_a_table_of_servers_is_read():
    table = stat("bot_stable", first={"addr": "127.0.0.1:3000", "hrsp_2xx": 5, "hrsp_5xx": 2, "econ": 1, "scur": 3})
    [server] = answers.servers(table)
    assert (server.backend, server.name, server.address) == ("bot_stable", "first", "127.0.0.1:3000")
    assert (server.requests, server.errors, server.in_flight) == (8, 3, 3), (
        "failed connections are requests, and errors"
    )
    assert server.state == "ready"
    assert not server.is_free


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("no check", "ready"),
        ("UP", "ready"),
        ("UP 1/3", "ready"),
        ("DOWN", "ready"),
        ("NOLB", "ready"),
        ("MAINT", "maint"),
        ("MAINT (via x/y)", "maint"),
        ("DRAIN", "drain"),
        ("DRAIN (agent)", "drain"),
    ],
)
def test_what_people_decided_is_told_from_what_checks_say(status, state):
    [server] = answers.servers(stat("b", s={"status": status}))
    assert server.state == state


def test_only_a_server_out_of_service_with_nothing_in_flight_is_free():
    free, busy = answers.servers(stat("b", x={"status": "MAINT"}, y={"status": "MAINT", "scur": 1}))
    assert (free.is_free, busy.is_free) == (True, False), "streams would be counted for another version"


@pytest.mark.parametrize(
    "answer", ["", "No such proxy.", "# pxname,svname,\nb,s,\n", "# " + ",".join(COLUMNS) + "\nb,s\n"]
)
def test_another_shape_is_an_error_not_a_zero(answer):
    with pytest.raises(ValueError, match=r".+"):
        answers.servers(answer)


@given(st.text())
def test_whatever_is_answered_is_read_or_refused(answer):
    for parse in (answers.servers, answers.info):
        for text in (
            answer,
            "# pxname," + answer,
            stat("b", s={}) + answer,
            f"Version: 2\nPid: 1\nStart_time_sec: {answer}",
        ):
            try:
                parse(text)
            except ValueError:
                continue
    answers.entries(answer)
    answers.old_workers(answer)
    answers.tables(answer)
    list(answers.sessions(answer))


def test_who_answers_and_since_when():
    told = "Name: HAProxy\nVersion: 2.6.12\nPid: 77\nUptime: 0d\nStart_time_sec: 1700000000\n"
    assert answers.info(told) == answers.Process("2.6.12", answers.Life(77, 1_700_000_000))
    for name in ("Pid", "Start_time_sec"):
        with pytest.raises(ValueError, match=name):
            answers.info(told.replace(name, "Else"))


def test_a_map_is_read_and_its_first_entry_counts():
    assert answers.entries("0x1 bot 10\n0x2 bot 20\n0x3 other a b\n") == {"bot": "10", "other": "a b"}
    assert answers.entries("") == {}


@pytest.mark.parametrize(
    ("value", "share"),
    [(None, 0), ("0", 0), ("10000", 10_000), ("10001", None), ("abc", None), ("-1", None), ("²", None)],
)
def test_a_share_is_a_number_of_basis_points_or_none(value, share):
    assert answers.share_bp(value) == share, "`set map` takes anything without a word"


def test_old_workers_are_told_from_the_present_one_and_from_programs():
    told = """#<PID>          <type>          <reloads>       <uptime>        <version>
32640           master          1 [failed: 0]   0d00h00m02s     2.6.12
# workers
32729           worker          0               0d00h00m01s     2.6.12
# old workers
32642           worker          1               0d00h00m02s     2.6.12
32001           worker          2               0d00h00m09s     2.6.12
# programs
111             worker          0               0d00h00m01s     -
"""
    assert answers.old_workers(told) == (32642, 32001)
    assert answers.old_workers(told.partition("# old")[0]) == ()


def test_sessions_and_tables():
    told = "0x5a: proto=tcpv4 src=127.0.0.1:4 fe=agents be=bot_stable srv=slot1 ts=00 age=1s\n0x7f: srv=<none> ts\n"
    assert list(answers.sessions(told)) == [("0x5a", "bot_stable", "slot1")]
    assert answers.tables("# table: bot, type: string, size:1, used:0\n") == {"bot"}
