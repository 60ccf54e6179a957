import pytest

from adapters.envoy.gateway import EnvoyGateway, EnvoyOptions
from adapters.nop import NopGateway
from adapters.registry import CAPABILITIES, FACTORIES, Shared
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
