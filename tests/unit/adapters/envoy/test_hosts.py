from hypothesis import given
from hypothesis import strategies as st

from adapters.envoy.hosts import Hosts
from xds.resources import HeaderMatch, Route, Share, route_table, share_hosts


def route(prefix: str, agent: str = "a", *, headers=(), candidate_bp: int = 0) -> Route:
    shares = (Share(f"{agent}/stable", 10_000 - candidate_bp), Share(f"{agent}/candidate", candidate_bp))
    return Route(prefix, shares, tuple(HeaderMatch(name, "x") for name in headers))


def told(hosts: Hosts) -> list[tuple[tuple[str, ...], list[str]]]:
    return [(host.domains, [entry.prefix for entry in host.routes]) for host in hosts.virtual_hosts()]


def test_agents_of_one_host_are_tried_longest_prefix_first():
    hosts = Hosts()
    hosts.put("root", ["A.test"], route("/"))
    hosts.put("deep", ["a.test"], route("/v1/deep"))
    hosts.put("v1", ["a.test"], route("/v1"))
    assert told(hosts) == [(("a.test",), ["/v1/deep", "/v1", "/"])]


def test_hosts_with_the_same_agents_are_one_virtual_host():
    hosts = Hosts()
    hosts.put("one", ["b.test", "a.test"], route("/"))
    hosts.put("two", ["c.test"], route("/"))
    assert told(hosts) == [(("a.test", "b.test"), ["/"]), (("c.test",), ["/"])]


def test_a_changed_share_builds_its_own_virtual_host_only():
    hosts = Hosts()
    for number in range(5):
        hosts.put(f"agent{number}", [f"{number}.test"], route("/", f"agent{number}"))
    before = hosts.virtual_hosts()
    hosts.put("agent3", ["3.test"], route("/", "agent3", candidate_bp=100))
    after = hosts.virtual_hosts()
    assert [a is b for a, b in zip(after, before, strict=True)] == [True, True, True, False, True]


def test_who_claims_what_another_has_gets_it_and_the_first_has_it_back_afterwards():
    hosts = Hosts()
    hosts.put("first", ["a.test"], route("/x", "first"))
    hosts.put("second", ["a.test"], route("/x", "second"))
    assert [entry.shares[0].cluster for entry in hosts.virtual_hosts()[0].routes] == ["second/stable"]
    hosts.remove("second")
    assert [entry.shares[0].cluster for entry in hosts.virtual_hosts()[0].routes] == ["first/stable"]
    hosts.remove("first")
    assert hosts.virtual_hosts() == []
    hosts.remove("nobody")


CLAIMS = st.tuples(
    st.sampled_from("abcd"),
    st.lists(st.sampled_from(["x.test", "y.test", "*"]), min_size=1, max_size=3, unique=True),
    st.sampled_from(["/", "/v1", "/v1/deep", "/v2"]),
    st.lists(st.sampled_from(["h1", "h2"]), max_size=2, unique=True),
    st.sampled_from([0, 100, 10_000]),
)


@given(st.lists(st.one_of(CLAIMS, st.sampled_from("abcd")), max_size=12))
def test_changing_it_step_by_step_gives_what_building_it_at_once_gives(steps):
    hosts, now = Hosts(), {}
    for step in steps:
        if isinstance(step, str):
            hosts.remove(step)
            now.pop(step, None)
        else:
            agent, domains, prefix, headers, candidate_bp = step
            # Agents never claim the same requests: each has a path of its own below the prefix.
            entry = route(f"{prefix.rstrip('/')}/{agent}", agent, headers=headers, candidate_bp=candidate_bp)
            hosts.put(agent, domains, entry)
            now[agent] = (domains, entry)
        hosts.virtual_hosts()
    at_once = share_hosts(now[agent] for agent in sorted(now))
    assert route_table("edge", sorted(hosts.virtual_hosts(), key=lambda host: host.name)).body == (
        route_table("edge", sorted(at_once, key=lambda host: host.name)).body
    )
