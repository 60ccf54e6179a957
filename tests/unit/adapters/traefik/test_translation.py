import pytest

from adapters.port import Assignment, HeaderMatch, Route, Split, Stickiness, Version
from adapters.traefik.translation import HealthCheck, in_go, translate

OLD = Version("1.0", ("10.0.0.1:3000", "[::1]:3001"))
NEW = Version("1.1", ("new.internal:3000",), http2=True)
LAST = Version("0.9", ("10.0.0.9:3000",))


def parts(split=None, *, route=None, candidate=NEW, draining=(), check=None, entry_points=(), **more):
    assignment = Assignment("bot", route or Route(), OLD, candidate, split or Split(), draining, **more)
    return translate(assignment, entry_points=entry_points, health_check=check)


def weights(part):
    return {entry["name"]: entry["weight"] for entry in part["weighted"]["services"]}


@pytest.mark.parametrize("candidate_bp", [0, 1, 1_000, 9_999, 10_000])
def test_a_split_is_two_weights(candidate_bp):
    services = parts(Split(candidate_bp)).services
    shares = weights(services["turnout.bot"])
    assert shares == {"turnout.bot.1.0": 10_000 - candidate_bp, "turnout.bot.1.1": candidate_bp}
    assert sum(shares.values()) == 10_000, "with all weights zero clients get 503"
    assert next(iter(services)) == "turnout.bot", "what holds the weights is looked at first"


def test_each_version_has_its_own_servers():
    services = parts().services
    urls = [server["url"] for server in services["turnout.bot.1.0"]["loadBalancer"]["servers"]]
    assert urls == ["http://10.0.0.1:3000", "http://[::1]:3001"]
    assert services["turnout.bot.1.1"]["loadBalancer"]["servers"] == [{"url": "h2c://new.internal:3000"}]


def test_what_drains_keeps_its_counters_and_gets_nothing():
    services = parts(candidate=None, draining=(LAST, OLD)).services
    assert weights(services["turnout.bot"]) == {"turnout.bot.1.0": 10_000, "turnout.bot.0.9": 0}
    assert "turnout.bot.0.9" in services, "a weight without a service breaks the router"


def test_a_copied_share_is_exact():
    services = parts(Split(mirror_bp=25)).services
    assert weights(services["turnout.bot"]) == {"turnout.bot~stable": 10_000, "turnout.bot.1.1": 0}
    assert weights(services["turnout.bot~stable"]) == {"turnout.bot~copied": 25, "turnout.bot.1.0": 9_975}
    mirroring = services["turnout.bot~copied"]["mirroring"]
    assert mirroring["service"] == "turnout.bot.1.0", "clients would see the candidate's answers"
    assert mirroring["mirrors"] == [{"name": "turnout.bot.1.1", "percent": 100}]


def test_a_session_is_held_by_a_cookie_of_the_agents_own_path():
    sticky = {"stickiness": Stickiness(cookie="turnout")}
    cookie = parts(route=Route(path_prefix="/v1"), **sticky).services["turnout.bot"]["weighted"]["sticky"]["cookie"]
    assert cookie == {"name": "turnout", "httpOnly": True, "path": "/v1"}
    assert "path" not in parts(**sticky).services["turnout.bot"]["weighted"]["sticky"]["cookie"]
    assert "sticky" not in parts(stickiness=Stickiness(header="x")).services["turnout.bot"]["weighted"]


def test_instances_are_looked_after_at_every_level():
    services = parts(Split(mirror_bp=100), check=HealthCheck("/healthz", 2.0, 0.5)).services
    kinds = {name: next(iter(part)) for name, part in services.items()}
    for name, kind in kinds.items():
        assert "healthCheck" in services[name][kind], f"{name}: a share whose instances are down would get 503"
    check = services["turnout.bot.1.0"]["loadBalancer"]["healthCheck"]
    assert check == {"path": "/healthz", "interval": "2000ms", "timeout": "500ms"}


def test_retries_and_limits_are_parts_of_their_own():
    made = parts(retries=2, request_timeout_s=1.5)
    assert made.middlewares == {"turnout.bot": {"retry": {"attempts": 3}}}, "attempts count the first one too"
    assert made.router["middlewares"] == ["turnout.bot"]
    assert made.transports == {"turnout.bot": {"forwardingTimeouts": {"responseHeaderTimeout": "1500ms"}}}
    assert made.services["turnout.bot.1.1"]["loadBalancer"]["serversTransport"] == "turnout.bot"
    plain = parts()
    assert not plain.middlewares
    assert not plain.transports
    assert plain.router == {"service": "turnout.bot"}


def test_a_router_per_host_where_it_is_told():
    route = Route(hosts=("a.test", "b.test"), headers=(HeaderMatch("x", "y"),))
    made = parts(route=route, entry_points=("web",))
    assert list(made.rules) == ["turnout.bot", "turnout.bot~2"]
    assert made.router == {"service": "turnout.bot", "entryPoints": ["web"]}


def test_durations_are_gos():
    assert [in_go(value_s) for value_s in (0.1, 2.0, 90.0)] == ["100ms", "2000ms", "90000ms"]
