import pytest
from envoy_data_plane.envoy.config.cluster import v3 as cluster
from envoy_data_plane.envoy.config.core import v3 as core
from envoy_data_plane.envoy.config.endpoint import v3 as endpoint

from adapters.envoy.translation import translate
from adapters.port import HeaderMatch, Route, Split, Stickiness, Version
from tests.unit.adapters.envoy.nodes import BAD, CANDIDATE, STABLE, wanted
from xds.errors import ResourceError
from xds.resources import HashByCookie, HashByHeader, ResourceType, Share

ADDRESSES = {
    **{f"127.0.0.1:{port}": (f"127.0.0.1:{port}",) for port in range(3000, 3003)},
    "agent.test:80": ("10.0.0.1:80", "[2001:db8::1]:80"),
}


def made(assignment, **options):
    return translate(assignment, ADDRESSES, **options)


def endpoints(assignment, name: str) -> list[tuple[str, list[tuple[str, int, str]]]]:
    """Per locality: version, and (address, port, health)."""
    [resource] = [r for r in made(assignment).clusters if (r.type, r.name) == (ResourceType.ENDPOINTS, name)]
    message = endpoint.ClusterLoadAssignment.parse(resource.body)
    told = []
    for locality in message.endpoints:
        hosts = [(e.endpoint.address.socket_address, e.health_status) for e in locality.lb_endpoints]
        told.append(
            (locality.locality.sub_zone, [(a.address, a.port_value, core.HealthStatus(h).name) for a, h in hosts])
        )
    return told


def names(assignment) -> set[str]:
    return {resource.name for resource in made(assignment).clusters if resource.type is ResourceType.CLUSTER}


def test_stable_stands_first_and_shares_have_one_sum():
    assert made(wanted(1)).route.shares == (Share("bot/stable", 9_999), Share("bot/candidate", 1))
    assert made(wanted(candidate=None)).route.shares == (Share("bot/stable", 10_000),)


def test_each_version_is_a_locality_and_what_drains_stays_in_sight_without_new_requests():
    told = endpoints(wanted(draining=(BAD,)), "bot/stable")
    stable, candidate = ("1.0", [("127.0.0.1", 3000, "HEALTHY")]), ("1.1", [("127.0.0.1", 3001, "HEALTHY")])
    assert told == [stable, ("bad", [("127.0.0.1", 3002, "DRAINING")])]
    assert endpoints(wanted(), "bot/candidate") == [candidate, ("1.0", [("127.0.0.1", 3000, "DRAINING")])]


def test_a_promotion_changes_nothing_in_the_cluster_where_the_candidates_streams_are():
    before = endpoints(wanted(), "bot/candidate")
    promoted = wanted(candidate=None, stable=CANDIDATE, draining=(STABLE,))
    assert endpoints(promoted, "bot/candidate") == before, "streams that began before a promotion are lost sight of"
    back = wanted(candidate=None, draining=(CANDIDATE,))
    assert ("1.1", [("127.0.0.1", 3001, "DRAINING")]) in endpoints(back, "bot/candidate")
    assert names(wanted(candidate=None)) == {"bot/stable"}, "a cluster stays although nothing drains any more"


def test_a_draining_version_of_another_protocol_cannot_share_the_cluster():
    old = Version("bad", BAD.endpoints, http2=True)
    assert [version for version, _ in endpoints(wanted(draining=(old,)), "bot/stable")] == ["1.0"]
    assert made(wanted(draining=(old,))).located == {"1.0", "1.1"}, "it would be said to have nothing in flight"


def test_those_versions_are_located_that_have_endpoints():
    lost = Version("lost", ("lost.test:80",))
    assert made(wanted(draining=(BAD, lost))).located == {"1.0", "1.1", "bad"}
    assert made(wanted(candidate=None)).located == {"1.0"}
    assert made(wanted(candidate=None, stable=lost, draining=(BAD,))).located == set(), "nodes keep what they have"


def test_names_are_all_their_addresses_and_what_has_none_is_left_out():
    stable = Version("1.0", ("agent.test:80", "127.0.0.1:3000", "lost.test:80"))
    [(_, hosts)] = endpoints(wanted(stable=stable, candidate=None), "bot/stable")
    assert [(address, port) for address, port, _ in hosts] == [
        ("10.0.0.1", 80),
        ("2001:db8::1", 80),
        ("127.0.0.1", 3000),
    ]


def test_the_dead_mans_slot_falls_back_to_stable():
    agent = made(wanted(1_000, dead_man_s=30))
    assert agent.route.shares[1] == Share("bot/candidate-or-stable", 1_000)
    assert agent.mortal is not None
    assert agent.mortal.name == "bot/candidate"
    policy = endpoint.ClusterLoadAssignment.parse(agent.mortal.body).policy
    assert policy.endpoint_stale_after.total_seconds() == 30
    assert names(wanted(1_000, dead_man_s=30)) == {"bot/stable", "bot/candidate", "bot/candidate-or-stable"}
    assert made(wanted(candidate=None, dead_man_s=30)).mortal is None
    assert made(wanted(1_000)).mortal is None


def test_mirroring_sends_copies_to_the_candidate_itself():
    agent = made(wanted(split=Split(mirror_bp=2_500), dead_man_s=30))
    assert [(mirror.cluster, mirror.share_bp) for mirror in agent.route.mirrors] == [("bot/candidate", 2_500)]
    assert agent.route.shares[0].weight_bp == 10_000


@pytest.mark.parametrize(
    ("stickiness", "hash_by"),
    [
        (None, None),
        (Stickiness(header="x-session-id"), HashByHeader("x-session-id")),
        (Stickiness(cookie="turnout"), HashByCookie("turnout")),
    ],
)
def test_stickiness(stickiness, hash_by):
    assert made(wanted(stickiness=stickiness)).route.hash_by == hash_by


def test_routes_say_what_belongs_to_the_agent():
    match = Route(("a.test", "*.b.test"), "/v1", (HeaderMatch("x-plan", "vip"),))
    agent = made(wanted(route=match, retries=2, request_timeout_s=7.5))
    assert agent.hosts == ("a.test", "*.b.test")
    assert (agent.route.prefix, agent.route.whole_segments, agent.route.timeout_s) == ("/v1", True, 7.5)
    assert [(header.name, header.value) for header in agent.route.headers] == [("x-plan", "vip")]
    assert agent.route.retry is not None
    assert agent.route.retry.retries_max == 2
    plain = made(wanted())
    assert (plain.route.retry, plain.route.timeout_s) == (None, 0), "agents stream: no limit unless one is set"


def test_outcomes_are_asked_for_by_name_and_protocol_by_version():
    assignment = wanted(indicators=("task_failed",), candidate=Version("1.1", CANDIDATE.endpoints, http2=True))
    told = {}
    for resource in made(assignment).clusters:
        if resource.type is ResourceType.CLUSTER:
            told[resource.name] = cluster.Cluster.parse(resource.body)
    assert list(told["bot/stable"].lrs_report_endpoint_metrics) == ["named_metrics.task_failed"]
    protocols = {name: bytes(each.typed_extension_protocol_options.popitem()[1]) for name, each in told.items()}
    assert protocols["bot/stable"] != protocols["bot/candidate"]


def test_grpcs_own_client_matches_plain_prefixes():
    assert made(wanted(), for_grpc=True).route.whole_segments is False


def test_what_envoy_would_refuse_is_refused_here():
    with pytest.raises(ResourceError):
        made(wanted(stickiness=Stickiness(cookie="not a cookie")))
    assert STABLE.http2 is False


def test_a_stable_version_without_addresses_has_unknown_endpoints_and_not_none():
    lost = wanted(stable=Version("1.0", ("lost.test:80",)))
    [resource] = [r for r in made(lost).clusters if (r.type, r.name) == (ResourceType.ENDPOINTS, "bot/stable")]
    assert not resource.known, "an Envoy would be told to drop the endpoints that it has"
    assert made(lost).route == made(wanted()).route
