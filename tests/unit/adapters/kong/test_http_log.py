import random

import pytest

from adapters.kong.http_log import DELAY_S, LASTING_S_MIN, HttpLog
from adapters.kong.node import Upstream
from adapters.kong.weights import wanted_of
from adapters.port import Observation, SessionTally, Stickiness
from controller.runtime.shares import SETTLE_S, Shares
from tests.unit.adapters.kong.kongs import at
from tests.unit.controller.runtime.test_shares import state

STICKY = Stickiness(header="x-session")
UPSTREAM = Upstream("bot.turnout", STICKY)
ADDRESS = {"1.0": ("10.0.0.1", 80), "1.1": ("10.0.0.2", 80)}


class Kong:
    """An http log that is told by a clock that moves.

    Its wall clock is a thousand seconds ahead of the other one.
    """

    def __init__(self, candidate_bp=1_000, drain_deadline_s=60.0):
        self.now_s = 0.0
        self.assignment = at(candidate_bp, stickiness=STICKY, drain_deadline_s=drain_deadline_s)
        self.log = HttpLog("edge", "127.0.0.1:1", lambda: self.now_s, lambda: self.now_s + 1_000)
        self.log.know(UPSTREAM, self.assignment)
        self.log.divided(UPSTREAM, self.assignment, wanted_of(self.assignment))

    def ends(self, session, version, began_s):
        """A request, at this moment, which is logged a second later."""
        ip, port = ADDRESS[version]
        entry = {
            "service": {"host": "bot.turnout"},
            "request": {"headers": {"x-session": session}},
            "response": {"status": 200},
            "tries": [{"ip": ip, "port": port}],
            "latencies": {"request": (self.now_s - began_s) * 1_000},
            "started_at": (began_s + 1_000) * 1_000,
        }
        self.now_s += 1.0
        self.log.take(entry)
        self.now_s -= 1.0

    def sessions(self):
        return self.log.sessions(UPSTREAM, self.assignment)


def test_a_session_counts_when_requests_of_its_age_have_ended():
    kong = Kong(drain_deadline_s=60.0)
    kong.now_s = 10.0
    kong.ends("one", "1.1", began_s=9.0)
    kong.now_s = 8.0 + 60.0 + 2 * DELAY_S  # logged at 11, so it may have begun at 8
    assert kong.sessions() == SessionTally({"1.0": 0, "1.1": 0}, 288, 32)
    kong.now_s += 0.1
    assert kong.sessions() == SessionTally({"1.0": 0, "1.1": 1}, 288, 32)


def test_a_request_that_was_logged_late_may_have_begun_before_the_split():
    kong = Kong()
    kong.now_s = 2.0
    kong.ends("one", "1.1", began_s=0.5)  # for all that is known, two seconds earlier
    kong.now_s = 1_000.0
    assert kong.sessions().counts["1.1"] == 0


def test_while_nothing_is_confirmed_no_session_begins():
    kong = Kong(drain_deadline_s=0.0)
    kong.log.undivided(UPSTREAM)
    kong.now_s = 10.0
    kong.ends("one", "1.1", began_s=9.0)
    kong.log.divided(UPSTREAM, kong.assignment, wanted_of(kong.assignment))
    kong.now_s = 20.0
    kong.ends("two", "1.1", began_s=19.0)
    kong.now_s = 19.0 + LASTING_S_MIN + 2 * DELAY_S
    assert kong.sessions().counts == {"1.0": 0, "1.1": 1}, "what another split has guided is held against the gateway"


@pytest.mark.parametrize("candidate_bp", [0, 10_000])
def test_where_one_track_has_all_there_is_nothing_to_compare(candidate_bp):
    assert Kong(candidate_bp).sessions() is None


@pytest.mark.parametrize(("stable_s", "candidate_s"), [(3.0, 50.0), (20.0, 1.0), (50.0, 0.01)])
def test_a_slow_or_failing_candidate_does_not_accuse_an_honest_gateway(stable_s, candidate_s):
    """The whole of it, for two minutes: new sessions all the time, and answers that take very different times."""
    chance = random.Random(3)
    kong, shares = Kong(drain_deadline_s=60.0), Shares(sticky=True)
    shares.confirmed("edge", state(1_000), 0.0)
    pending, words = [], []
    for tenth in range(1_200):
        kong.now_s = tenth / 10
        version = "1.1" if chance.random() < 0.1 else "1.0"
        pending.append((kong.now_s + (candidate_s if version == "1.1" else stable_s), kong.now_s, version, f"s{tenth}"))
        for ended in [one for one in pending if one[0] <= kong.now_s]:
            pending.remove(ended)
            kong.ends(ended[3], ended[2], began_s=ended[1])
        tally = kong.sessions()
        named = {old: tally.counts[new] for old, new in (("1.2.3", "1.0"), ("1.3.0", "1.1"))}
        told = SessionTally(named, tally.stable_points, tally.candidate_points)
        seen = Observation("edge", "bot", "1", {}, {}, DELAY_S, told)
        words.append(shares.take(seen, kong.now_s - DELAY_S + SETTLE_S))
    assert sum(kong.sessions().counts.values()) > 300
    assert not any(words), "a breach would be blamed on the gateway"
