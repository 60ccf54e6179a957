import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.kong.balancer import Balancer, difference, read


def answer(*hosts):
    return {"node_id": "n", "data": {"health": "HEALTHY", "details": {"hosts": list(hosts)}}}


def host(name, port, weight, *ips):
    addresses = [{"ip": ip, "port": port, "weight": weight, "healthy": True} for ip in ips]
    return {"host": name, "port": port, "nodeWeight": weight, "addresses": addresses}


def test_what_a_node_does_now_is_read():
    found = read(answer(host("10.0.0.1", 80, 90, "10.0.0.1"), host("agent.internal", 80, 10, "10.0.0.2", "10.0.0.3")))
    assert found == Balancer(
        {"10.0.0.1:80": 90, "agent.internal:80": 10},
        {"10.0.0.1:80": "10.0.0.1:80", "10.0.0.2:80": "agent.internal:80", "10.0.0.3:80": "agent.internal:80"},
        {"agent.internal:80": 2},
    )


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"data": None},
        {"data": []},
        answer("x"),
        answer({"host": 1}),
        answer({"host": "a", "port": 80}),
        answer({"host": "a", "port": False, "nodeWeight": 1}),
        answer({"host": "a", "port": 80, "nodeWeight": True}),
    ],
)
def test_a_node_without_a_balancer_is_not_taken_for_one_that_has_nothing(said):
    assert read(said) is None
    assert "no balancer" in difference(read(said), {})


def test_what_differs_is_said():
    found = Balancer({"a:80": 90, "b:80": 10, "c:80": 5}, {}, {})
    assert "c:80 weight 5, not 0" in difference(found, {"a:80": 90, "b:80": 10})
    assert "b:80 weight 10, not 0" in difference(found, {"a:80": 90, "b:80": 0, "c:80": 5})
    assert "d:80 weight 0, not 1" in difference(found, {"a:80": 90, "b:80": 10, "c:80": 5, "d:80": 1})
    assert difference(found, {"a:80": 90, "b:80": 10, "c:80": 5, "gone:80": 0}) == ""


def test_a_name_with_several_addresses_has_more_than_its_share():
    found = Balancer({"a:80": 90, "b:80": 10}, {}, {"b:80": 2})
    assert "2 addresses" in difference(found, {"a:80": 90, "b:80": 10})
    assert difference(Balancer({"a:80": 90, "b:80": 0}, {}, {"b:80": 2}), {"a:80": 90, "b:80": 0}) == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["host", "port", "nodeWeight"]), inner),
    max_leaves=8,
)


@settings(deadline=None)  # the machine may be busy
@given(JSON)
def test_whatever_is_answered_nothing_breaks(value):
    difference(read({"data": {"details": {"hosts": value}}}), {"a:80": 1})
