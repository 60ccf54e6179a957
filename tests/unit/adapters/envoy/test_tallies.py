from adapters.envoy.tallies import NODES_MAX, VERSIONS_MAX, Tallies
from adapters.port import Tally
from tests.unit.adapters.envoy.nodes import wanted
from xds.load_reports import ClusterLoad, LoadReport, OutcomeSum, VersionLoad

AGENTS = {name: wanted(agent=name, indicators=("task_failed", "cost")) for name in ("bot", "other")}


def report(node="one", *loads: VersionLoad, cluster: str = "bot/stable") -> LoadReport:
    return LoadReport(node, "edge", (ClusterLoad(cluster, loads),))


def load(version="1.0", ok=0, failed=0, open_=0, **outcomes: tuple[int, float]) -> VersionLoad:
    told = {f"named_metrics.{name}": OutcomeSum(*pair) for name, pair in outcomes.items()}
    return VersionLoad(version, ok, failed, open_, told)


def test_reports_are_differences_and_add_up_over_nodes_and_tracks():
    tallies = Tallies()
    tallies.take(report("one", load(ok=3, failed=1)), 1, AGENTS)
    tallies.take(report("two", load(ok=2)), 1, AGENTS)
    tallies.take(report("one", load(ok=5, failed=2), cluster="bot/candidate"), 2, AGENTS)
    tallies.take(report("one", load(ok=100), cluster="other/stable"), 2, AGENTS)
    assert tallies.of("bot", []) == {"1.0": Tally(13, 3)}


def test_outcomes_lose_their_prefix_and_add_up():
    tallies = Tallies()
    tallies.take(report("one", load(ok=3, task_failed=(3, 1.0), cost=(2, 0.5))), 1, AGENTS)
    tallies.take(report("one", load(ok=1, task_failed=(1, 1.0))), 2, AGENTS)
    assert dict(tallies.of("bot", [])["1.0"].indicators) == {"task_failed": (4, 2.0), "cost": (2, 0.5)}


def test_a_version_that_the_nodes_know_and_say_nothing_of_counts_zero():
    assert Tallies().of("bot", ["1.0"]) == {"1.0": Tally()}


def test_in_flight_is_what_each_node_said_last():
    tallies = Tallies()
    tallies.take(report("one", load(open_=2)), 1, AGENTS)
    tallies.take(report("two", load(open_=3)), 1, AGENTS)
    assert tallies.in_flight("bot", ["1.0"], ["one", "two"]) == {"1.0": 5}
    tallies.take(report("two"), 2, AGENTS)
    assert tallies.in_flight("bot", ["1.0"], ["one", "two"]) == {"1.0": 2}, "what is left out has nothing in flight"
    assert tallies.in_flight("bot", ["1.0"], ["two"]) == {"1.0": 0}, "a node that has gone was counted"


def test_figures_are_as_old_as_the_quietest_node_that_has_any():
    tallies = Tallies()
    assert tallies.age_s(["one"], 5) is None
    tallies.take(report("one"), 1, AGENTS)
    tallies.take(report("two"), 4, AGENTS)
    assert tallies.age_s(["one", "two", "three"], 5) == 4


def test_silent_is_who_has_not_reported_since_it_connected():
    tallies = Tallies()
    tallies.take(report("one"), 1, AGENTS)
    tallies.take(report("two"), 1, AGENTS)
    assert tallies.silent({"one": 0.5, "two": 1.5, "three": 0.5}) == {"two", "three"}


def test_silent_ones_are_worked_out_once_until_somebody_comes_or_is_forgotten():
    class Nodes(dict):
        looks = 0

        def items(self):
            self.looks += 1
            return super().items()

    tallies, nodes = Tallies(), Nodes(one=0.0, two=0.0)
    for _ in range(3):
        assert tallies.silent(nodes) == {"one", "two"}
    tallies.take(report("one"), 1, AGENTS)
    assert tallies.silent(nodes) == {"two"}
    assert nodes.looks == 1, "a thousand agents would look at a thousand nodes, twice a second"
    tallies.keep_nodes([])
    assert tallies.silent(nodes) == {"one", "two"}, "what a node that was forgotten has in flight was taken for nothing"


def test_what_nobody_has_asked_for_fills_no_memory():
    tallies = Tallies()
    for number in range(100):
        tallies.take(report("one", load(ok=1, **{f"invented_{number}": (1, 1.0)})), 1, AGENTS)
        tallies.take(report("one", load(ok=1, open_=1), cluster=f"invented-{number}/stable"), 1, AGENTS)
    assert dict(tallies.of("bot", [])["1.0"].indicators) == {}
    assert tallies._counts.keys() == {"bot"}
    assert tallies._busy == {}


def test_clusters_that_are_not_a_track_are_none_of_ours():
    tallies = Tallies()
    for cluster in ("turnout", "bot/other", "bot/candidate-or-stable"):
        tallies.take(report("one", load(ok=1), cluster=cluster), 1, AGENTS)
    assert tallies.of("bot", []) == {}


def test_memory_is_bounded():
    tallies = Tallies()
    for number in range(VERSIONS_MAX + 5):
        tallies.take(report("one", load(f"1.{number}", ok=1)), number, AGENTS)
    assert len(tallies.of("bot", [])) == VERSIONS_MAX
    assert "1.0" not in tallies.of("bot", []), "the version heard of longest ago goes first"
    for number in range(NODES_MAX + 5):
        tallies.take(report(f"node{number}"), number, AGENTS)
    assert len(tallies) == NODES_MAX
    assert tallies.silent({"node0": 0.0, f"node{NODES_MAX + 4}": 0.0}) == {"node0"}, "a forgotten one is not silent"


def test_who_is_gone_is_forgotten_and_counts_of_nodes_stay():
    tallies = Tallies()
    tallies.take(report("one", load(ok=1)), 1, AGENTS)
    tallies.keep_nodes([])
    assert len(tallies) == 0
    assert tallies.of("bot", []) == {"1.0": Tally(1)}
    tallies.keep([])
    assert tallies.of("bot", []) == {}
