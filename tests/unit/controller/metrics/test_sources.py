from adapters.nop import NopGateway
from adapters.port import Assignment, Route, Version
from controller.metrics.readings import reading
from controller.metrics.sources import GatewayCounters, SourceError


async def test_a_gateway_is_a_source_like_any_other():
    gateway = NopGateway("edge")
    await gateway.start([Assignment("mail", Route(), Version("1.0", ("127.0.0.1:3000",)))])
    source = GatewayCounters(gateway, "mail")
    looked = await source.look({})
    assert (source.name, source.every_s) == ("edge", gateway.capabilities.observe_every_s)
    assert looked.source == "edge"
    assert looked.readings == (reading(looked.observation),), "what a gateway has seen would not be counted"


def test_an_error_says_who_and_why():
    error = SourceError("prometheus/metrics:9090", "denied", "it answers 403")
    assert (error.code, str(error)) == ("denied", "prometheus/metrics:9090: it answers 403")
