"""Which requests belong to an agent, as a real Traefik understands our rules."""

from adapters.port import Assignment, HeaderMatch, Route
from tests.contract.play import confirmed

OURS, NOBODYS = "1.0.0", ""


async def answered(ask, stage, path="/", **headers):
    """The version that answered; empty for Traefik's own 404."""
    ((status, version),) = await ask(stage.url + path.lstrip("/"), **headers)
    assert status == (200 if version else 404)
    return version


async def test_hosts_prefixes_and_headers_are_matched_as_the_settings_say(open_traefik, old, ask):
    stage = await open_traefik()
    value = 'v"i`p {{ "{{" }}'
    route = Route(("a.test", "*.b.test"), "/v1", (HeaderMatch("x-plan", value),))
    await confirmed(stage.adapter, Assignment("bot", route, old.version))
    vip = {"x_plan": value}
    for host in ("a.test", "A.Test:99", "x.b.test", "X.y.B.test"):
        assert await answered(ask, stage, "/v1", host=host, **vip) == OURS, host
    for host in ("b.test", "xb.test", "a.testy", "xa.test", "x.b.test.evil"):
        assert await answered(ask, stage, "/v1", host=host, **vip) == NOBODYS, host
    for path in ("/v1", "/v1/", "/v1/x"):
        assert await answered(ask, stage, path, host="a.test", **vip) == OURS, path
    for path in ("/", "/v10", "/v", "/x/v1"):
        assert await answered(ask, stage, path, host="a.test", **vip) == NOBODYS, path
    assert await answered(ask, stage, "/v1", host="a.test", x_plan="vip") == NOBODYS
    assert await answered(ask, stage, "/v1", host="a.test") == NOBODYS


async def test_the_more_specific_agent_gets_the_request(open_traefik, old, new, ask):
    stage = await open_traefik()
    broad = Route(("*",), "/a-very-long-prefix-that-makes-a-rule-long-and-no-host-at-all/x")
    exact = Route(("a.test",))
    await confirmed(stage.adapter, Assignment("bot", broad, old.version))
    await confirmed(stage.adapter, Assignment("exact", exact, new.version))
    assert await answered(ask, stage, broad.path_prefix, host="b.test") == old.name
    assert await answered(ask, stage, broad.path_prefix, host="a.test") == new.name, "the longer rule won, not the host"


async def test_an_agent_that_leaves_is_served_no_longer(open_traefik, old, new, ask):
    stage = await open_traefik()
    await confirmed(stage.adapter, Assignment("other", Route(("b.test",)), new.version))
    assert await answered(ask, stage, host="b.test") == new.name
    await stage.adapter.remove("other")
    await confirmed(stage.adapter, Assignment("bot", Route(("a.test",)), old.version))
    assert await answered(ask, stage, host="b.test") == NOBODYS
    assert await answered(ask, stage, host="a.test") == old.name


async def test_an_entry_point_that_is_not_there_is_a_refusal(open_traefik, old):
    stage = await open_traefik()
    adapter = stage.gateway("edge", entry_points=("nowhere",))
    try:
        receipt = await adapter.apply(Assignment("bot", Route(), old.version), timeout_s=5.0)
        assert (receipt.outcome.value, 'entryPoint "nowhere"' in receipt.detail) == ("refused", True), receipt
    finally:
        await adapter.close()
