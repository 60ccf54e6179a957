import pytest
from envoy_data_plane.envoy.config.route import v3 as route

from xds.errors import ResourceError
from xds.resources import (
    HashByCookie,
    HashByHeader,
    HeaderMatch,
    Mirror,
    ResourceType,
    Retry,
    Route,
    Share,
    VirtualHost,
    route_table,
    share_hosts,
)

STABLE = (Share("a/stable", 10_000),)
SPLIT = (Share("a/stable", 9_999), Share("a/candidate", 1))


def table(*entries, hosts=("*",), **options):
    return route.RouteConfiguration.parse(
        route_table("edge", share_hosts([(hosts, e) for e in entries]), **options).body
    )


def only(entry):
    [virtual_host] = table(entry).virtual_hosts
    [envoy_route] = virtual_host.routes
    return envoy_route


def test_a_table_is_one_message_whose_virtual_hosts_were_encoded_apart():
    hosts = [VirtualHost(f"v{i}", (f"{i}.test",), (Route("/", STABLE),)) for i in range(3)]
    whole = route.RouteConfiguration.parse(route_table("edge", hosts, validate_clusters=True).body)
    assert (whole.name, whole.validate_clusters) == ("edge", True)
    assert [host.name for host in whole.virtual_hosts] == ["v0", "v1", "v2"]


def test_a_domain_is_matched_on_any_port():
    assert table(Route("/", STABLE), hosts=["agents.test"]).ignore_port_in_host_matching


def test_a_changed_share_encodes_no_route_and_a_changed_match_encodes_one(monkeypatch):
    routes = [Route(f"/{i}", STABLE) for i in range(50)]
    route_table("edge", [VirtualHost("v", ("*",), tuple(routes))])
    encoded = []
    real = route.Route.__bytes__
    monkeypatch.setattr(route.Route, "__bytes__", lambda self: encoded.append(self) or real(self))
    routes[7] = Route("/7", SPLIT)
    route_table("edge", [VirtualHost("v", ("*",), tuple(routes))])
    assert encoded == [], "each step of a rollout paid a millisecond for what had not changed"
    routes[8] = Route("/eight", STABLE)
    route_table("edge", [VirtualHost("v", ("*",), tuple(routes))])
    assert [entry.match.path_separated_prefix for entry in encoded] == ["/eight"]


@pytest.mark.parametrize("hash_by", [None, HashByHeader("x-session-id"), HashByCookie("sid")])
def test_shares_written_by_hand_are_what_envoys_own_messages_would_be(hash_by):
    shares = (Share("a/stable", 9_872), Share("a/" + "long" * 50, 128), Share("zero", 0))
    for envoy_route in table(Route("/a", shares, hash_by=hash_by)).virtual_hosts[0].routes:
        again = route.Route.parse(bytes(envoy_route))
        assert [(c.name, c.weight) for c in again.route.weighted_clusters.clusters] == [
            (share.cluster, share.weight_bp) for share in shares
        ]
        assert bool(again.route.weighted_clusters.use_hash_policy) is (hash_by is not None)


def test_shares_keep_their_order_and_have_one_total():
    clusters = only(Route("/", SPLIT)).route.weighted_clusters.clusters
    assert [(c.name, c.weight) for c in clusters] == [("a/stable", 9_999), ("a/candidate", 1)]


def test_a_share_of_nothing_is_said_and_refers_to_nothing():
    entry = Route("/", (Share("a/stable", 10_000), Share("a/candidate", 0)), mirrors=(Mirror("m", 0),))
    weights = [c.weight for c in only(entry).route.weighted_clusters.clusters]
    assert weights == [10_000, 0], "a cluster without a weight is refused by Envoy"
    assert route_table("edge", share_hosts([(["*"], entry)])).references == {(ResourceType.CLUSTER, "a/stable")}


def test_mirrors_are_referred_to():
    resource = route_table("edge", share_hosts([(["*"], Route("/", STABLE, mirrors=(Mirror("m", 2_500),)))]))
    assert resource.references == {(ResourceType.CLUSTER, "a/stable"), (ResourceType.CLUSTER, "m")}
    [policy] = route.RouteConfiguration.parse(resource.body).virtual_hosts[0].routes[0].route.request_mirror_policies
    assert policy.runtime_fraction.default_value.numerator == 2_500


@pytest.mark.parametrize(
    ("entry", "match"),
    [
        (Route("/v1/a", STABLE), {"pathSeparatedPrefix": "/v1/a"}),
        (Route("/v1/a/", STABLE), {"pathSeparatedPrefix": "/v1/a"}),
        (Route("/", STABLE), {"prefix": "/"}),
        (Route("/pkg.Service/", STABLE, whole_segments=False), {"prefix": "/pkg.Service/"}),
        (
            Route("/", STABLE, headers=(HeaderMatch("x-beta", "1"), HeaderMatch("x-any"))),
            {
                "prefix": "/",
                "headers": [{"name": "x-beta", "stringMatch": {"exact": "1"}}, {"name": "x-any", "presentMatch": True}],
            },
        ),
    ],
)
def test_what_a_route_matches(entry, match):
    assert only(entry).match.to_dict() == match


def test_time_outs_do_not_cut_streams_unless_they_are_wanted():
    assert only(Route("/", STABLE)).route.timeout.total_seconds() == 0
    assert only(Route("/", STABLE)).route.idle_timeout is None
    entry = Route("/", STABLE, timeout_s=2.5, idle_timeout_s=60)
    assert only(entry).route.timeout.total_seconds() == 2.5
    assert only(entry).route.idle_timeout.total_seconds() == 60


def test_outcomes_are_hidden_from_clients_by_default():
    assert only(Route("/", STABLE)).response_headers_to_remove == [
        "endpoint-load-metrics",
        "endpoint-load-metrics-bin",
    ]


def test_retries_choose_the_cluster_again():
    policy = only(Route("/", STABLE, retry=Retry("5xx", 2))).route.retry_policy
    assert (policy.retry_on, policy.num_retries, policy.refresh_cluster_on_retry) == ("5xx", 2, True)


def test_sessions_are_hashed_by_a_header():
    action = only(Route("/", SPLIT, hash_by=HashByHeader("x-session-id"))).route
    assert action.weighted_clusters.use_hash_policy
    assert [policy.header.header_name for policy in action.hash_policy] == ["x-session-id"]


def test_a_cookie_of_the_agents_own_is_only_read():
    action = only(Route("/", SPLIT, hash_by=HashByCookie("sid", ttl_s=None))).route
    assert [policy.cookie.name for policy in action.hash_policy] == ["sid"]


def test_a_cookie_is_made_where_a_request_has_none():
    [virtual_host] = table(Route("/", SPLIT, hash_by=HashByCookie("turnout", "/v1", 60))).virtual_hosts
    with_cookie, without = virtual_host.routes
    assert with_cookie.match.headers[0].string_match.safe_regex.regex == r"(?:.*;\s*)?turnout=[^;].*"
    assert with_cookie.response_headers_to_add == []
    [header] = without.response_headers_to_add
    assert header.header.value == "turnout=%REQ(X-REQUEST-ID)%; Path=/v1; Max-Age=60; HttpOnly"
    assert [bool(policy.header) for policy in without.route.hash_policy] == [False, True]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Route("v1", STABLE),
        lambda: Route("/", (Share("a", 9_999),)),
        lambda: Route("/", (Share("a", 10_001), Share("b", -1))),
        lambda: Route("/", ()),
        lambda: Route("/", STABLE, mirrors=(Mirror("m", 10_001),)),
        lambda: HashByCookie("a b"),
        lambda: HashByCookie("a", path="/; Domain=evil"),
        lambda: route_table("t", [VirtualHost("v", ("a",), ()), VirtualHost("v", ("b",), ())]),
        lambda: route_table("t", [VirtualHost("v", ("a",), ()), VirtualHost("w", ("A",), ())]),
        lambda: share_hosts([(["a"], Route("/", STABLE)), (["A"], Route("/", SPLIT))]),
    ],
)
def test_what_envoy_would_refuse_is_refused_here(make):
    with pytest.raises(ResourceError):
        make()


def test_agents_that_share_a_host_share_its_virtual_host_longest_prefix_first():
    short, long = Route("/v1", STABLE), Route("/v1/a", SPLIT)
    beta = Route("/v1", SPLIT, headers=(HeaderMatch("x-beta"),))
    shared = share_hosts([(["one.test", "two.test"], short), (["one.test", "ONE.test"], beta), (["one.test"], long)])
    assert shared == (
        VirtualHost("one.test", ("one.test",), (long, beta, short)),
        VirtualHost("two.test", ("two.test",), (short,)),
    )


def test_hosts_with_the_same_routes_are_one_virtual_host():
    assert share_hosts([(["b", "a"], Route("/", STABLE))]) == (VirtualHost("a", ("a", "b"), (Route("/", STABLE),)),)
