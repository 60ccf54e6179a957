from adapters.nop import NopGateway
from adapters.port import Applied, Assignment, Proof, Route, Split, Version

STABLE, CANDIDATE = Version("1.0", ("127.0.0.1:1",)), Version("1.1", ("127.0.0.1:2",))


async def test_it_takes_everything_and_carries_nothing():
    gateway = NopGateway("edge")
    wanted = Assignment("bot", Route(), STABLE, CANDIDATE, Split(1_000))
    assert (await gateway.verify("bot")).proof is Proof.PENDING
    await gateway.start([wanted])
    receipt = await gateway.apply(wanted, timeout_s=1)
    assert (receipt.gateway, receipt.outcome, receipt.split) == ("edge", Applied.CONFIRMED, Split(1_000))
    assert (await gateway.verify("bot")).proof is Proof.APPLIED
    seen = await gateway.observe("bot")
    assert (dict(seen.tallies), seen.in_flight) == ({}, {"1.0": 0, "1.1": 0}), "no traffic is no evidence"
    assert (await gateway.status()).reachable
    await gateway.remove("bot")
    assert (await gateway.verify("bot")).proof is Proof.PENDING
    assert (await gateway.observe("bot")).in_flight == {}
    await gateway.close()
