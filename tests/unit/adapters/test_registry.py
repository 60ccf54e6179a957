from dataclasses import replace
from pathlib import Path

import pytest

from adapters.capabilities import Capabilities, Wish
from adapters.envoy.gateway import EnvoyGateway, EnvoyOptions
from adapters.haproxy.options import HaproxyOptions
from adapters.haproxy.plan import Layout
from adapters.kong.gateway import KongOptions
from adapters.nop import NopGateway
from adapters.registry import CAPABILITIES, FACTORIES, Shared, capabilities_of
from controller.settings.gateway import AVAILABLE
from xds.server import XdsServer


def test_every_kind_that_settings_offer_can_be_made_and_says_what_it_can():
    assert set(FACTORIES) == set(CAPABILITIES) == set(AVAILABLE)


def test_each_kind_makes_its_own_adapter():
    shared = Shared(XdsServer("127.0.0.1:0"))
    envoy = FACTORIES["envoy"]("edge", EnvoyOptions("127.0.0.1:10000", 0.2), shared)
    assert isinstance(envoy, EnvoyGateway)
    assert (envoy.name, envoy.capabilities.observe_every_s) == ("edge", 0.1)
    assert isinstance(FACTORIES["nop"]("void", None, shared), NopGateway)
    with pytest.raises(AssertionError):
        FACTORIES["envoy"]("edge", None, shared)


READ_WHERE = {
    Wish.ROUTE: "assignment.route",
    Wish.STICKINESS: ".stickiness",
    Wish.RETRIES: ".retries",
    Wish.REQUEST_TIMEOUT: ".request_timeout_s",
    Wish.HTTP2: ".http2",
    Wish.OUTCOMES: "assignment.indicators",
}


@pytest.mark.parametrize("wish", READ_WHERE)
@pytest.mark.parametrize("kind", sorted(set(CAPABILITIES) - {"nop"}))
def test_what_a_gateway_ignores_its_adapter_does_not_read_and_nothing_else(kind, wish):
    folder = Path(__file__).parents[3] / "adapters" / kind.replace("-", "_")
    source = "".join(path.read_text() for path in folder.glob("*.py"))
    assert (READ_WHERE[wish] in source) is (wish not in CAPABILITIES[kind].ignores), (
        f"{kind}: `turnout validate` says of {wish} what its adapter does not do"
    )


@pytest.mark.parametrize("kind", CAPABILITIES)
def test_the_smallest_share_is_the_first_that_is_given(kind):
    weights = HaproxyOptions(("unix:/s",), layout=Layout("{agent}", "{agent}", None))
    for can in (CAPABILITIES[kind], capabilities_of("haproxy", weights)):
        least = next(bp for bp in range(1, 10_000) if can.share_given(bp, 1, 1))
        assert least == can.share_bp_min, "a person is told of another least share than the adapter gives"


def test_an_adapter_says_of_itself_what_the_registry_says_of_its_settings():
    shared = Shared(XdsServer("127.0.0.1:0"))
    kongs = [KongOptions(("http://127.0.0.1:8001",), http_log=log) for log in (None, "127.0.0.1:8910")]
    layouts = (Layout("{agent}_s", "{agent}_c", "/map"), Layout("{agent}", "{agent}", None))
    haproxies = [HaproxyOptions(("unix:/s",), layout=layout) for layout in layouts]
    for kind, options in (*(("kong", each) for each in kongs), *(("haproxy", each) for each in haproxies)):
        assert FACTORIES[kind]("edge", options, shared).capabilities == capabilities_of(kind, options)
    assert capabilities_of("kong", kongs[1]).counts_per_version
    assert not capabilities_of("kong", kongs[0]).counts_per_version


def test_an_adapter_that_says_nothing_honours_everything():
    nothing = Capabilities(1, True, True, True, True, True, True)
    assert not nothing.ignores | nothing.refuses
    assert replace(nothing).share_given(7, 3, 2) == 7
