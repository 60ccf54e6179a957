from adapters.envoy.standing import NAMED_MAX, no_address, no_report, not_acked
from tests.unit.adapters.envoy.nodes import wanted
from xds.roster import NodeStatus


def node(name: str, generation: int, *, streams: int = 1) -> NodeStatus:
    return NodeStatus(name, "edge", streams, 0.0, generation, ())


def test_who_is_behind_is_named():
    assert not_acked([]) == ""
    assert not_acked([node("b", 1), node("a", 0)]) == "not ACKed by a, b"


def test_who_has_left_may_come_back_by_itself_and_is_told_apart():
    assert not_acked([node("a", 1), node("b", 1, streams=0)]) == "not ACKed by a, b (b left a moment ago)"


def test_a_thousand_are_not_named_one_by_one():
    many = [node(f"{number:04}", 0) for number in range(1_000)]
    assert not_acked(many).endswith(f"0009 and {1_000 - NAMED_MAX} more")


def test_agents_without_an_address_are_named_with_what_does_not_resolve():
    assert no_address([]) == ""
    assert "bot (127.0.0.1:3000)" in no_address([wanted()])


def test_who_says_nothing_is_named_with_what_to_look_at():
    assert no_report([]) == ""
    assert no_report(["b", "a"]) == "no load report from a, b: is load_stats_config in the bootstrap?"
