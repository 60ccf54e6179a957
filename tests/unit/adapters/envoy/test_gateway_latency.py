"""When a gateway's listener gets its access log, and what comes of the entries."""

import pytest
from envoy_data_plane.envoy.config.listener import v3 as listener

from adapters.envoy.gateway import EnvoyGateway, EnvoyOptions
from adapters.port import Assignment, Route, Version
from xds.access_logs import AccessLog, AccessLogEntry
from xds.load_reports import ClusterLoad, LoadReport, VersionLoad
from xds.resources import ResourceType
from xds.server import XdsServer

STABLE = Version("1.2.3", ("10.0.0.11:3000",))


def agent(name, *limits_s):
    return Assignment(name, Route(hosts=(f"{name}.example.com",)), STABLE, latency_limits_s=limits_s)


@pytest.fixture
def server():
    return XdsServer("127.0.0.1:0")


@pytest.fixture
async def gateway(server):
    gateway = EnvoyGateway("edge", EnvoyOptions("127.0.0.1:10000", load_report_interval_s=0.5), server)
    yield gateway
    await gateway.close()


def logged_for_ms(server):
    """The age until which requests are logged; None without an access log."""
    resource = server.cache.snapshot("edge").sets[ResourceType.LISTENER].resources["edge"]
    manager = listener.Listener.parse(resource.body).filter_chains[0].filters[0].typed_config.unpack()
    if not manager.access_log:
        return None
    [log] = manager.access_log
    return log.filter.or_filter.filters[1].duration_filter.comparison.value.default_value


async def test_only_a_latency_objective_costs_an_access_log(server, gateway):
    await gateway.start([agent("a"), agent("b")])
    assert logged_for_ms(server) is None, "every request would cost an Envoy 5 us that nobody needs"
    await gateway.apply(agent("b", 0.5, 2.0), timeout_s=0)
    assert logged_for_ms(server) == 3_000


async def test_the_log_is_there_from_the_start(server, gateway):
    await gateway.start([agent("a"), agent("b", 2.0)])
    assert logged_for_ms(server) == 3_000, "the listener would change while it serves, and cut its streams"


async def test_a_listener_changes_only_for_a_longer_limit(server, gateway):
    await gateway.start([agent("a", 2.0), agent("b", 2.0)])
    await gateway.apply(agent("a"), timeout_s=0)
    await gateway.apply(agent("b", 0.1), timeout_s=0)
    await gateway.remove("b")
    assert logged_for_ms(server) == 3_000, "an objective that comes and goes would cut streams each time"
    await gateway.apply(agent("a", 60.0), timeout_s=0)
    assert logged_for_ms(server) == 61_000


async def test_entries_are_counted_beside_load_reports(server, gateway, monkeypatch):
    await gateway.start([agent("a", 2.0), agent("b")])
    monkeypatch.setattr(server, "connected", lambda group: {"one": 0.0})
    load = VersionLoad("1.2.3", successes=3, errors=1, in_flight=0)
    gateway.take_report(LoadReport("one", "edge", (ClusterLoad("a/stable", (load,)),)))
    entries = [
        AccessLogEntry(f"{name}/stable", "1.2.3", (f"{name}{number}", 0, 0), True, 1, 9.0, 0.0, answered_s)
        for name in ("a", "b")
        for number, answered_s in enumerate((0.5, 2.5, 0.1))
    ]
    gateway.take_access_log(AccessLog("one", "edge", tuple(entries)))
    observed = (await gateway.observe("a")).tallies["1.2.3"]
    assert (observed.requests, observed.errors, dict(observed.indicators)) == (4, 1, {"latency_over:2s": (3, 1.0)})
    assert dict((await gateway.observe("b")).tallies["1.2.3"].indicators) == {}
