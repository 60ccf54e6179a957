import asyncio

import pytest

from adapters.openresty.control import TokenAt
from adapters.openresty.gateway import ATTEMPTS_MAX, CAPABILITIES, OpenRestyGateway, OpenRestyOptions
from adapters.port import Applied, Assignment, GatewayError, Proof, Route, Split, Tally, Version

from .endpoint import TOKEN, as_json, serving

STABLE, CANDIDATE = Version("1.0.0", ("agent.internal:80",)), Version("1.1.0", ("127.0.0.1:81",))


class Names:
    """A resolver that knows one name."""

    def __init__(self):
        self.found = ("10.0.0.1",)
        self.answers = asyncio.Event()
        self.answers.set()

    async def __call__(self, host, port):
        await self.answers.wait()
        if not self.found:
            raise OSError("it is down")
        return self.found


def at(candidate_bp, **changes):
    whole = {"agent": "bot", "route": Route(), "stable": STABLE, "candidate": CANDIDATE, **changes}
    return Assignment(**whole, split=Split(candidate_bp=candidate_bp))


@pytest.fixture
async def nginx():
    async with serving() as found:
        yield found


@pytest.fixture
def names():
    return Names()


@pytest.fixture
async def gateway(nginx, names, tmp_path):
    file = tmp_path / "token"
    file.write_text(TOKEN)
    found = OpenRestyGateway("edge", OpenRestyOptions(nginx.url, TokenAt(str(file)), 2.0, 0.25), resolve=names)
    await found.start([at(0)])
    yield found
    await found.close()


async def test_a_split_is_confirmed_by_what_stands_afterwards(gateway, nginx):
    receipt = await gateway.apply(at(1_000), timeout_s=5.0)
    assert (receipt.outcome, receipt.split, receipt.detail) == (Applied.CONFIRMED, Split(candidate_bp=1_000), "")
    assert nginx.records["bot"]["assignment"]["candidate_bp"] == 1_000
    assert nginx.records["bot"]["by"] == "turnout/edge", "nobody could tell who set it"
    assert (await gateway.verify("bot")).proof is Proof.APPLIED
    assert CAPABILITIES.proves_effect
    assert gateway.capabilities.observe_every_s == 0.25


async def test_the_next_change_needs_no_reading_first(gateway, nginx):
    await gateway.apply(at(1_000), timeout_s=5.0)
    nginx.asked.clear()
    await gateway.apply(at(2_000), timeout_s=5.0)
    assert [(method, path) for method, path, _ in nginx.asked if method != "POST"] == [
        ("PUT", "/agents/bot?if_gen=1&by=turnout/edge")
    ], "a rollback would take two turns instead of one"


async def test_what_stands_from_before_a_restart_is_compared_with(gateway, nginx):
    nginx.records["bot"] = {"generation": 41, "by": "turnout/edge", "assignment": {"candidate_bp": 5}}
    assert (await gateway.apply(at(0), timeout_s=5.0)).outcome is Applied.CONFIRMED
    assert nginx.records["bot"]["generation"] == 42


async def test_somebody_who_was_faster_is_found_and_overruled(gateway, nginx):
    await gateway.apply(at(1_000), timeout_s=5.0)
    nginx.set("bot", {"candidate_bp": 9_000}, "ann")
    receipt = await gateway.apply(at(0), timeout_s=5.0)
    assert receipt.outcome is Applied.CONFIRMED, "a way back would give way to whatever was written meanwhile"
    assert [path for _, path, _ in nginx.of("PUT")][-2:] == [
        "/agents/bot?if_gen=1&by=turnout/edge",
        "/agents/bot?if_gen=2&by=turnout/edge",
    ]


async def test_it_does_not_fight_for_ever(gateway, nginx):
    nginx.interfere = lambda: nginx.set("bot", {"candidate_bp": 0}, "ann")
    receipt = await gateway.apply(at(0), timeout_s=5.0)
    assert (receipt.outcome, receipt.code) == (Applied.UNCONFIRMED, "conflict")
    assert len(nginx.of("PUT")) == ATTEMPTS_MAX


async def test_what_is_not_saved_is_said_and_applied_all_the_same(gateway, nginx):
    nginx.unsaved = "No space left on device"
    receipt = await gateway.apply(at(0), timeout_s=5.0)
    assert receipt.outcome is Applied.CONFIRMED, "a full disk would hold a rollback up"
    assert "No space left" in receipt.detail
    found = await gateway.verify("bot")
    assert (found.proof, found.detail) == (Proof.APPLIED, receipt.detail), (
        "it is told for five seconds, and is so for hours"
    )
    nginx.unsaved = ""
    assert (await gateway.verify("bot")).detail == ""


async def test_an_answer_that_shows_something_else_confirms_nothing(gateway, nginx):
    async def lie(request, body):
        return as_json(200, {"share_bp": 0, "record": {"generation": 1, "assignment": {**body, "candidate_bp": 7}}})

    gateway._generations["bot"] = 0
    nginx.override = lie
    assert (await gateway.apply(at(1_000), timeout_s=5.0)).outcome is Applied.UNCONFIRMED


@pytest.mark.parametrize(
    ("status", "outcome", "code", "proof"),
    [
        (400, Applied.REFUSED, "invalid", Proof.REFUSED),
        (401, Applied.REFUSED, "denied", Proof.REFUSED),
        (404, Applied.REFUSED, "not-found", Proof.RESET),
        (503, Applied.UNREACHABLE, "unreachable", Proof.UNREACHABLE),
    ],
)
async def test_trouble_is_an_outcome(gateway, nginx, status, outcome, code, proof):
    await gateway.apply(at(0), timeout_s=5.0)

    async def answer(request, body):
        return as_json(status, {"detail": "because"})

    nginx.override = answer
    receipt = await gateway.apply(at(1_000), timeout_s=5.0)
    assert (receipt.outcome, receipt.code, "because" in receipt.detail) == (outcome, code, True)
    assert (await gateway.verify("bot")).proof is proof
    with pytest.raises(GatewayError):
        await gateway.observe("bot")
    assert not (await gateway.status()).reachable


async def test_no_answer_is_not_waited_for(gateway, nginx):
    release = asyncio.Event()

    async def later(request, body):
        await release.wait()
        return as_json(200, {})

    nginx.override = later
    receipt = await gateway.apply(at(1_000), timeout_s=0.05)
    release.set()
    nginx.override = None
    assert (receipt.outcome, receipt.code) == (Applied.UNCONFIRMED, "unconfirmed")
    assert receipt.detail
    assert receipt.took_s < 2.0, "a rollback elsewhere would wait for this gateway"
    nginx.set("bot", {"candidate_bp": 3}, "a request of ours that was late")
    assert (await gateway.apply(at(0), timeout_s=5.0)).outcome is Applied.CONFIRMED


async def test_what_nginx_cannot_do_is_refused(gateway):
    receipt = await gateway.apply(at(0, stable=Version("2.0.0", ("127.0.0.1:80",), http2=True)), timeout_s=5.0)
    assert (receipt.outcome, receipt.code, "HTTP/2" in receipt.detail) == (Applied.REFUSED, "refused", True)


async def test_drift_is_found(gateway, nginx, names):
    assert (await gateway.verify("bot")).proof is Proof.PENDING, "something is said before anything was applied"
    await gateway.apply(at(1_000), timeout_s=5.0)
    nginx.set("bot", {**nginx.records["bot"]["assignment"], "candidate_bp": 5_000}, "ann")
    found = await gateway.verify("bot")
    assert (found.proof, "ann" in found.detail) == (Proof.DRIFTED, True)
    nginx.set("bot", {**nginx.records["bot"]["assignment"], "candidate_bp": 5_000}, "turnout/edge")
    assert (await gateway.verify("bot")).proof is Proof.RESET, "an older wish of ours was taken for somebody's hand"
    nginx.records.clear()
    assert (await gateway.verify("bot")).proof is Proof.RESET, "a restart without its state would not be noticed"
    await gateway.apply(at(1_000), timeout_s=5.0)
    names.found = ("10.0.0.2",)
    found = await gateway.verify("bot")
    assert (found.proof, found.detail) == (Proof.PENDING, "agent.internal:80 is at 10.0.0.2:80 now")
    await gateway.apply(at(1_000), timeout_s=5.0)
    names.found = ()
    assert (await gateway.verify("bot")).proof is Proof.APPLIED, "a DNS outage would be taken for a change"


async def test_a_name_that_never_resolved_is_waited_for(gateway, names):
    names.found = ()
    receipt = await gateway.apply(at(0), timeout_s=5.0)
    assert (receipt.outcome, receipt.code) == (Applied.UNREACHABLE, "not-found")
    assert "1.0.0 has 0 addresses" in receipt.detail
    assert (await gateway.verify("bot")).proof is Proof.PENDING


async def test_a_candidate_without_an_address_holds_no_way_back_up(gateway, nginx):
    lost = Version("1.1.0", ("agent.internal:80",), http2=True)
    forward = await gateway.apply(at(100, candidate=lost), timeout_s=5.0)
    assert forward.outcome is Applied.REFUSED
    back = await gateway.apply(at(0, candidate=lost), timeout_s=5.0)
    assert (back.outcome, "1.1.0" in back.detail) == (Applied.CONFIRMED, True)
    assert (await gateway.verify("bot")).proof is Proof.APPLIED


# --- the way back waits for no resolver -------------------------------------------------------------------------------


def left_by_an_earlier_controller(nginx, candidate_bp, **versions):
    peers = {"stable": {"name": "1.0.0", "peers": ["10.0.0.1:80"]}, "candidate": {"name": "1.1.0", "peers": ["x"]}}
    nginx.set("bot", {**peers, **versions, "candidate_bp": candidate_bp}, "turnout/edge")


async def test_a_way_back_lowers_the_share_before_any_name_is_known(gateway, nginx, names):
    left_by_an_earlier_controller(nginx, 1_000)
    names.found = ()
    receipt = await gateway.apply(at(0), timeout_s=5.0)
    assert nginx.records["bot"]["assignment"]["candidate_bp"] == 0, "a DNS outage would hold a rollback up"
    assert nginx.of("PATCH") == [("PATCH", "/agents/bot?candidate_bp=0&if_gen=1&by=turnout/edge", None)]
    assert (receipt.outcome, receipt.code) == (Applied.UNREACHABLE, "not-found"), "not all of it is applied"
    names.found = ("10.0.0.1:80",)
    assert (await gateway.apply(at(0), timeout_s=5.0)).outcome is Applied.CONFIRMED


async def test_a_way_back_does_not_wait_for_a_resolver_that_hangs(gateway, nginx, names):
    left_by_an_earlier_controller(nginx, 1_000)
    names.answers.clear()
    async with asyncio.timeout(30.0), asyncio.TaskGroup() as tasks:
        going_back = tasks.create_task(gateway.apply(at(0), timeout_s=30.0))
        while not nginx.of("PATCH"):
            nginx.heard.clear()
            await nginx.heard.wait()
        names.answers.set()
    assert going_back.result().outcome is Applied.CONFIRMED


async def test_a_way_back_that_needs_no_resolver_is_one_request(gateway, nginx):
    await gateway.apply(at(1_000), timeout_s=5.0)
    nginx.asked.clear()
    await gateway.apply(at(0), timeout_s=5.0)
    assert [method for method, *_ in nginx.asked] == ["PUT"]


async def test_somebody_who_is_faster_does_not_keep_the_share_up(gateway, nginx, names):
    left_by_an_earlier_controller(nginx, 1_000)
    names.found, faster = (), [9_000]
    nginx.interfere = lambda: left_by_an_earlier_controller(nginx, faster.pop()) if faster else None
    await gateway.apply(at(0), timeout_s=5.0)
    assert nginx.records["bot"]["assignment"]["candidate_bp"] == 0


async def test_a_promotion_gives_nothing_back_to_the_version_before(gateway, nginx, names):
    """It is all stable too, but of another stable version than nginx knows."""
    old = {"name": "0.9.0", "peers": ["x"]}
    left_by_an_earlier_controller(nginx, 10_000, stable=old, candidate={"name": "1.0.0", "peers": ["x"]})
    names.found = ()
    await gateway.apply(at(0, candidate=None), timeout_s=5.0)
    assert nginx.records["bot"]["assignment"]["candidate_bp"] == 10_000, "a version that was replaced got the traffic"


async def test_a_share_that_cannot_be_lowered_first_holds_nothing_up(gateway, nginx, names):
    left_by_an_earlier_controller(nginx, 1_000)

    async def know_no_patch(request, body):
        nginx.override = None if request.method == "PATCH" else know_no_patch
        return as_json(405, {"detail": "what?"}) if request.method == "PATCH" else nginx._told("bot")

    nginx.override = know_no_patch
    assert (await gateway.apply(at(0), timeout_s=5.0)).outcome is Applied.CONFIRMED


async def test_a_return_to_a_version_that_drains_needs_no_resolver(gateway, nginx, names):
    await gateway.apply(at(10_000), timeout_s=5.0)
    promoted = {"stable": CANDIDATE, "candidate": None, "draining": (STABLE,)}
    await gateway.apply(at(0, **promoted), timeout_s=5.0)
    names.found = ()
    receipt = await gateway.apply(at(0, candidate=None, draining=(CANDIDATE,)), timeout_s=5.0)
    assert receipt.outcome is Applied.CONFIRMED, "the version before is kept for an instant return, and DNS is out"


async def test_a_controller_that_begins_again_learns_where_it_could_return_to(gateway, nginx, names):
    promoted = {"stable": CANDIDATE, "candidate": None, "draining": (STABLE,)}
    await gateway.apply(at(0, **promoted), timeout_s=5.0)
    assert (await gateway.verify("bot")).proof is Proof.APPLIED
    names.found = ()
    back = at(0, candidate=None, draining=(CANDIDATE,))
    assert (await gateway.apply(back, timeout_s=5.0)).outcome is Applied.CONFIRMED


async def test_counts_are_observed(gateway, nginx):
    await gateway.apply(at(1_000), timeout_s=5.0)
    counted = {"requests": 2, "errors": 1, "in_flight": 1, "outcomes": {}, "latency": {}}
    nginx.counts = {"epoch": "9-0", "versions": {"1.1.0": counted}}
    seen = await gateway.observe("bot")
    assert (seen.gateway, seen.agent, seen.epoch) == ("edge", "bot", "9-0")
    assert (seen.tallies, seen.in_flight) == ({"1.1.0": Tally(2, 1)}, {"1.1.0": 1})
    nginx.counts = {"epoch": "9-0", "versions": {"1.1.0": {}}}
    with pytest.raises(GatewayError) as raised:
        await gateway.observe("bot")
    assert raised.value.code == "invalid"


async def test_the_dead_man_switch_is_put_off_while_somebody_lives(gateway, nginx):
    await gateway.apply(at(1_000, dead_man_s=0.05), timeout_s=5.0)
    async with asyncio.timeout(5.0):
        while len(nginx.of("POST")) < 3:
            nginx.heard.clear()
            await nginx.heard.wait()
    assert nginx.of("POST")[0] == ("POST", "/alive", {"agents": ["bot"]})
    await gateway.close()
    heard = len(nginx.of("POST"))
    await asyncio.sleep(0)
    assert len(nginx.of("POST")) == heard, "a controller that has ended would hold the candidate's share up"


async def test_a_way_back_puts_no_switch_off_before_it_is_confirmed(gateway, nginx):
    """The switch has fired, and a controller begins again on its way back: the share must not come to life again."""

    async def fail(request, body):
        return as_json(503, {"detail": "busy"})

    nginx.override = fail
    await gateway.apply(at(0, dead_man_s=0.05), timeout_s=5.0)
    await gateway.apply(at(100, agent="other", dead_man_s=0.05), timeout_s=5.0)

    async def spoken_for(*agents):
        async with asyncio.timeout(30.0):
            while not nginx.of("POST") or nginx.of("POST")[-1][2] != {"agents": [*agents]}:
                nginx.heard.clear()
                await nginx.heard.wait()

    await spoken_for("other")
    assert all(body == {"agents": ["other"]} for *_, body in nginx.of("POST")), "a rollback gave the candidate traffic"
    nginx.override = None
    assert (await gateway.apply(at(0, dead_man_s=0.05), timeout_s=5.0)).outcome is Applied.CONFIRMED
    await spoken_for("bot", "other")


async def test_one_that_is_closed_changes_nothing(gateway, nginx):
    await gateway.close()
    receipt = await gateway.apply(at(1_000), timeout_s=5.0)
    assert (receipt.outcome, receipt.code) == (Applied.UNREACHABLE, "unreachable")
    assert not nginx.asked, "a controller that is gone gave a candidate traffic"


async def test_a_renewal_that_fails_is_tried_again(gateway, nginx):
    failed = 0

    async def fail(request, body):
        nonlocal failed
        failed += request.method == "POST"
        return as_json(503, {"detail": "busy"})

    nginx.override = fail
    await gateway.apply(at(1_000, dead_man_s=0.05), timeout_s=5.0)
    async with asyncio.timeout(5.0):
        while failed < 2:
            nginx.heard.clear()
            await nginx.heard.wait()


async def test_cut_remove_and_status(gateway, nginx):
    await gateway.apply(at(1_000), timeout_s=5.0)
    await gateway.cut("bot", "1.1.0")
    assert nginx.asked[-1][:2] == ("POST", "/agents/bot/cut?version=1.1.0")
    status = await gateway.status()
    assert (status.kind, status.reachable, status.detail) == ("openresty", True, "nginx/1.22.1")
    assert status.nodes == (nginx.url,), "its version is shown twice, and where it is not at all"
    await gateway.remove("bot")
    assert not nginx.records
    assert (await gateway.verify("bot")).proof is Proof.PENDING
