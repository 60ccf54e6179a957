"""Who is blamed for a refusal, and what is served meanwhile."""

import asyncio

from adapters.envoy.offering import Offering
from adapters.envoy.offers import Offer
from adapters.envoy.translation import translate
from adapters.port import Applied, Version
from tests.unit.adapters.envoy.nodes import BAD, CANDIDATE, FakeNode, FakeServer, cluster_of, minds_version, wanted
from xds.resources import Listener, ResourceType

LISTENER = Listener("edge", "127.0.0.1", 10_000, routes="edge").resource()
ADDRESSES = {f"127.0.0.1:{port}": (f"127.0.0.1:{port}",) for port in range(3000, 3010)}


def make(assignment) -> Offer:
    return Offer(assignment, translate(assignment, ADDRESSES))


def offering_to(server: FakeServer) -> Offering:
    return Offering("edge", [LISTENER], server, make, lambda: asyncio.get_running_loop().time())


async def settle(offering: Offering, assignment, timeout_s: float = 5.0):
    offer = offering.put(make(assignment))
    return await offering.settle(offer, asyncio.get_running_loop().time() + timeout_s)


def served(server: FakeServer, cluster: str) -> bytes | None:
    return cluster_of(server.cache.snapshot("edge"), cluster)


async def test_an_agent_is_not_blamed_for_another_that_is_refused_at_the_same_time():
    server = FakeServer(FakeNode("one", minds_version("bad")))
    offering = offering_to(server)
    for agent in ("a", "b", "c"):
        await settle(offering, wanted(agent=agent, candidate=None))
    bad, step, back = await asyncio.gather(
        settle(offering, wanted(1_000, agent="a", candidate=BAD)),
        settle(offering, wanted(1_000, agent="b")),
        settle(offering, wanted(0, agent="c")),
    )
    assert (bad.outcome, bad.is_proven) == (Applied.REFUSED, True)
    assert step.outcome is Applied.CONFIRMED, "a good candidate was held up by another agent's bad one"
    assert back.outcome is Applied.CONFIRMED, "a way back was held up by another agent's candidate"
    assert served(server, "b/candidate")
    assert served(server, "a/candidate") is None


async def test_two_bad_ones_among_many_are_found():
    server = FakeServer(FakeNode("one", minds_version("bad")))
    offering = offering_to(server)
    agents = [f"agent{number}" for number in range(6)]
    for agent in agents:
        await settle(offering, wanted(agent=agent, candidate=None))
    answers = await asyncio.gather(
        *(
            settle(offering, wanted(1_000, agent=agent, candidate=BAD if agent in agents[2:4] else CANDIDATE))
            for agent in agents
        )
    )
    assert [answer.outcome for answer in answers] == [Applied.CONFIRMED] * 2 + [Applied.REFUSED] * 2 + [
        Applied.CONFIRMED
    ] * 2


async def test_nobody_gets_more_of_a_candidate_than_was_asked_for_while_another_is_tried():
    """A rollback that a frozen node has not taken must not be undone on the others for the sake of a trial."""
    awake, cold = FakeNode("awake"), FakeNode("cold")
    server = FakeServer(awake, cold)
    offering = offering_to(server)
    await settle(offering, wanted(5_000, agent="a"))
    await settle(offering, wanted(agent="b", candidate=None))
    cold.frozen, awake.minds = True, minds_version("bad")
    awake.taken.clear()
    back, bad = await asyncio.gather(
        settle(offering, wanted(0, agent="a")),
        settle(offering, wanted(1_000, agent="b", candidate=BAD)),
    )
    assert bad.outcome is Applied.REFUSED
    assert back.outcome is Applied.UNCONFIRMED
    assert awake.taken, "the stage was not set: the node that is awake took nothing"
    for snapshot in awake.taken:
        weights = snapshot.sets[ResourceType.ROUTES].resources["edge"].references
        assert (ResourceType.CLUSTER, "a/candidate") not in weights, "a rollback was undone for another agent's trial"


async def test_an_agent_that_is_already_taken_is_confirmed_beside_a_refused_one():
    server = FakeServer(FakeNode("one", minds_version("bad")))
    offering = offering_to(server)
    await settle(offering, wanted(1_000, agent="a"))
    await settle(offering, wanted(agent="b", candidate=None))
    offering.put(make(wanted(1_000, agent="b", candidate=BAD)))
    assert (await settle(offering, wanted(1_000, agent="a"))).outcome is Applied.CONFIRMED


async def test_a_listener_that_is_refused_is_nobodys_fault_and_everybodys_trouble():
    server = FakeServer(FakeNode("one", lambda snapshot: [("lds", "edge", "address in use")]))
    offering = offering_to(server)
    answer = await settle(offering, wanted(1_000))
    assert (answer.outcome, answer.detail, answer.is_proven) == (Applied.REFUSED, "one: address in use", False)
    assert served(server, "bot/candidate"), "what is not to blame was taken back"


async def test_withdrawing_goes_back_to_what_was_taken_unless_that_had_more_for_the_candidate():
    server = FakeServer(FakeNode("one"))
    offering = offering_to(server)
    await settle(offering, wanted(1_000))
    before = offering.taken["bot"]
    offering.put(make(wanted(3_000)))
    offering.withdraw("bot", is_proven=True)
    assert offering.offered["bot"] is before
    offering.put(make(wanted(500)))
    offering.withdraw("bot", is_proven=True)
    assert offering.offered["bot"].assignment.candidate is None, "a refused step down left the candidate with more"


async def test_a_way_back_that_is_refused_to_the_end_still_leaves_no_traffic_at_the_candidate():
    server = FakeServer(FakeNode("one"))
    offering = offering_to(server)
    await settle(offering, wanted(5_000))
    taken = offering.taken["bot"].assignment
    strange = Version("1.0", ("127.0.0.1:3009",))
    offering.put(make(wanted(0, candidate=None, stable=strange)))
    offering.withdraw("bot", is_proven=True)
    now = offering.offered["bot"].assignment
    assert (now.candidate, now.stable) == (None, taken.stable)


async def test_an_agent_that_was_never_taken_and_is_to_blame_is_left_out():
    server = FakeServer(FakeNode("one", minds_version("bad")))
    offering = offering_to(server)
    await settle(offering, wanted(agent="a", candidate=None))
    answer = await settle(offering, wanted(agent="new", stable=BAD, candidate=None))
    assert (answer.outcome, answer.is_proven) == (Applied.REFUSED, True)
    offering.withdraw("new", is_proven=answer.is_proven)
    assert served(server, "new/stable") is None
    assert (await settle(offering, wanted(2_000, agent="a"))).outcome is Applied.CONFIRMED


async def test_an_agent_that_is_removed_while_it_waits_does_not_come_back():
    node = FakeNode("one", minds_version("bad"))
    server = FakeServer(node)
    offering = offering_to(server)
    await settle(offering, wanted(agent="a", candidate=None))
    offering.put(make(wanted(1_000, agent="a", candidate=BAD)))

    async def remove() -> None:
        offering.remove("b")
        offering.publish()

    answer, _ = await asyncio.gather(settle(offering, wanted(1_000, agent="b")), remove())
    assert answer.outcome is Applied.UNCONFIRMED
    assert served(server, "b/stable") is None
    offering.withdraw("b", is_proven=True)
    assert "b" not in offering.offered


async def test_refusals_without_end_are_given_up_for_now():
    """Each look finds somebody else's refusal: an attempt ends all the same."""
    server = FakeServer()
    offering = offering_to(server)

    turns = iter(range(10_000))

    def minds(snapshot):
        other = f"other{next(turns)}"
        offering.put(make(wanted(agent=other, stable=BAD, candidate=None)))
        offering.publish()
        return [("rds", "edge", "again")]

    server.present = [FakeNode("one", minds)]
    answer = await settle(offering, wanted(1_000))
    assert answer.outcome in (Applied.UNCONFIRMED, Applied.REFUSED)
