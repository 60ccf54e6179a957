from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.haproxy import answers
from adapters.haproxy.plan import Layout, Plan, Seen, nameless, plan, target
from adapters.port import Assignment, Route, Split, Version
from tests.unit.adapters.haproxy.scripted import Scripted, empty, stat

MAP = Layout("{agent}_stable", "{agent}_candidate", "/m")
WEIGHTS = Layout("{agent}", "{agent}", None)
OLD, NEW, NEXT = (Version(name, (f"127.0.0.1:{port}",)) for name, port in (("1", 3001), ("2", 3002), ("3", 3003)))
ADDRESSES = {endpoint: (endpoint,) for version in (OLD, NEW, NEXT) for endpoint in version.endpoints}


def at(bp, stable=OLD, candidate=NEW, draining=()):
    return Assignment("bot", Route(), stable, candidate, Split(candidate_bp=bp), draining=draining)


def seen(haproxy):
    servers = [
        server for name, table in haproxy.backends.items() if table for server in answers.servers(stat(name, **table))
    ]
    return Seen(tuple(servers), dict(haproxy.entries))


def left(haproxy, wanted, layout=MAP):
    return plan(target(wanted, layout, ADDRESSES), seen(haproxy), layout)


def bring(haproxy, wanted, layout=MAP, check=lambda: None):
    """Carry a plan out, and what it then makes possible; what is left afterwards must be nothing. The first plan."""
    first = todo = left(haproxy, wanted, layout)
    for _ in range(2):
        for command in todo.commands:
            haproxy._answer(command)
            check()
        todo = left(haproxy, wanted, layout)
    assert todo.commands == (), "it would be called drifted for ever"
    return first


def by_map(**entries):
    return Scripted({"bot_stable": empty(3), "bot_candidate": empty(3)}, entries)


def by_weights(slots=6):
    return Scripted({"bot": empty(slots)})


def serving(haproxy, backend):
    return {
        server["addr"]: server.get("uweight", 1)
        for server in haproxy.backends[backend].values()
        if server.get("status", "UP") not in {"MAINT", "DRAIN"} and server.get("uweight", 1)
    }


def test_by_map_a_changed_share_is_one_command():
    haproxy = by_map()
    bring(haproxy, at(0))
    assert bring(haproxy, at(10)).commands == ("set map /m bot 10",)
    assert bring(haproxy, at(0)).commands == ("set map /m bot 0",), "the way back waits for more than it must"
    assert bring(haproxy, at(0)).commands == ()


def test_servers_are_in_service_before_the_share_rises_and_out_of_it_after_it_has_fallen():
    haproxy = by_map()
    commands = bring(haproxy, at(5_000)).commands
    assert commands[-1] == "add map /m bot 5000", "requests would be sent where nobody serves"
    bring(haproxy, at(10_000))
    commands = bring(haproxy, at(0, stable=NEW, candidate=None, draining=(OLD,))).commands
    falls = commands.index("set map /m bot 0")
    assert all("maint" not in command for command in commands[:falls])
    assert serving(haproxy, "bot_stable") == {"127.0.0.1:3002": 1}
    assert serving(haproxy, "bot_candidate") == {}


def test_a_server_with_something_in_flight_is_given_to_nobody_else():
    haproxy = by_map()
    bring(haproxy, at(0))
    bring(haproxy, at(0, stable=NEW, candidate=None, draining=(OLD,)))
    for server in haproxy.backends["bot_stable"].values():
        if server["addr"] == "127.0.0.1:3001" if "addr" in server else False:
            server["scur"] = 2
    bring(haproxy, at(100, stable=NEW, candidate=NEXT))
    assert "127.0.0.1:3001" in {server.get("addr") for server in haproxy.backends["bot_stable"].values()}


def test_a_candidate_without_room_gets_nothing_and_stable_goes_on():
    haproxy = Scripted({"bot_stable": empty(2), "bot_candidate": {"only": {"status": "MAINT", "scur": 1}}})
    todo = bring(haproxy, at(5_000))
    assert "no free server for 127.0.0.1:3002" in todo.problem
    assert haproxy.entries == {"bot": "0"}
    assert serving(haproxy, "bot_stable") == {"127.0.0.1:3001": 1}


def test_a_stable_version_without_room_takes_nobody_out_of_service():
    haproxy = Scripted({"bot_stable": {"first": {"addr": "127.0.0.1:9"}}, "bot_candidate": empty(2)})
    todo = bring(haproxy, at(0))
    assert "bot_stable has no free server" in todo.problem
    assert serving(haproxy, "bot_stable") == {"127.0.0.1:9": 1}, "there would be nobody to answer"


def test_strangers_leave_once_stable_serves():
    haproxy = Scripted({"bot_stable": {"first": {"addr": "127.0.0.1:9"}, **empty(2)}, "bot_candidate": empty(1)})
    todo = bring(haproxy, at(0))
    assert todo.evicted == (("bot_stable", 1),)
    assert serving(haproxy, "bot_stable") == {"127.0.0.1:3001": 1}


def test_other_agents_shares_are_left_alone_and_nonsense_is_put_right():
    haproxy = by_map(other="77", bot="abc")
    bring(haproxy, at(10))
    assert haproxy.entries == {"other": "77", "bot": "10"}


def test_by_weights_sessions_are_moved_when_all_goes_back():
    haproxy = by_weights()
    bring(haproxy, at(1_000), WEIGHTS)
    assert serving(haproxy, "bot") == {"127.0.0.1:3001": 252, "127.0.0.1:3002": 28}
    todo = bring(haproxy, at(0), WEIGHTS)
    assert todo.commands[0].endswith("weight 256"), "what rises comes first"
    assert todo.commands[-1].endswith("state maint"), "sessions would stay on the candidate"
    assert len(todo.evicted) == 1
    assert serving(haproxy, "bot") == {"127.0.0.1:3001": 256}


def test_by_weights_less_than_can_be_given_goes_back():
    haproxy = by_weights()
    bring(haproxy, at(1_000), WEIGHTS)
    assert "less than weights can give" in bring(haproxy, at(10), WEIGHTS).problem
    assert serving(haproxy, "bot") == {"127.0.0.1:3001": 256}


def test_a_candidate_without_an_address_gets_nothing():
    wanted = target(replace(at(5_000), candidate=Version("2", ("nowhere:1",))), MAP, ADDRESSES)
    assert wanted.share == ("bot", 0)
    assert "no address" in wanted.problem


STATES = st.fixed_dictionaries(
    {
        "addr": st.sampled_from([*ADDRESSES, "127.0.0.1:1", "[::1]:9"]),
        "uweight": st.integers(0, 256),
        "status": st.sampled_from(["no check", "UP", "DOWN", "MAINT", "DRAIN"]),
        "scur": st.integers(0, 2),
    }
)
TABLES = st.dictionaries(st.sampled_from("abcdef"), STATES, max_size=6)
WANTED = st.builds(at, st.integers(0, 10_000), st.just(OLD), st.sampled_from([NEW, NEXT]))


@given(TABLES, TABLES, st.dictionaries(st.just("bot"), st.sampled_from(["0", "10000", "x"])), WANTED)
def test_whatever_stands_by_map_two_rounds_put_it_right(stable, candidate, entries, wanted):
    _puts_right(Scripted({"bot_stable": stable, "bot_candidate": candidate}, entries), wanted, MAP)


@given(TABLES, WANTED)
def test_whatever_stands_by_weights_two_rounds_put_it_right(table, wanted):
    _puts_right(Scripted({"bot": table}), wanted, WEIGHTS)


def _puts_right(haproxy, wanted, layout):
    """And at no moment is there nobody in service who was or will be."""
    backends = layout.backends("bot")

    def served():
        return [bool(serving(haproxy, backend)) for backend in backends[:1]]

    lit = served()

    def check():
        nonlocal lit
        now = served()
        assert all(after or not before for before, after in zip(lit, now, strict=True)), "a track went dark on the way"
        lit = now

    bring(haproxy, wanted, layout, check)


def test_a_track_without_any_address_is_told_by_its_names():
    wanted = at(10, Version("1", ("old:1", "10.0.0.1:1")), Version("2", ("new:2",)))
    known = {"10.0.0.1:1": ("10.0.0.1:1",)}
    assert nameless(wanted, known) == ["new:2"], "one of stable's two endpoints is enough"
    assert nameless(replace(wanted, split=Split()), known) == [], "a way back needs no candidate"
    assert nameless(wanted, {}) == ["old:1", "10.0.0.1:1", "new:2"]


@pytest.mark.parametrize(
    ("commands", "only_guides"),
    [
        ((), False),
        (("set map /m bot 10",), True),
        (("add map /m bot 10",), True),
        (("set server bot/slot1 weight 1",), False),
        (("set server bot/slot1 state ready", "set map /m bot 10"), False),
    ],
)
def test_a_plan_that_only_guides_touches_no_server(commands, only_guides):
    assert Plan(commands).only_guides is only_guides
