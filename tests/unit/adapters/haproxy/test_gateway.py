import asyncio
import contextlib
from dataclasses import replace

import pytest

from adapters.haproxy import disk
from adapters.haproxy import gateway as module
from adapters.haproxy.gateway import HaproxyGateway
from adapters.haproxy.options import HaproxyOptions
from adapters.haproxy.plan import Layout
from adapters.port import Applied, Assignment, GatewayError, Proof, Route, Split, Tally, Version
from tests.unit.adapters.haproxy.scripted import empty, scripted

LAYOUT = Layout("{agent}_stable", "{agent}_candidate", "/m")
OLD, NEW = Version("1", ("127.0.0.1:3001",)), Version("2", ("127.0.0.1:3002",))


def at(bp, **more):
    return Assignment("bot", Route(), OLD, NEW, Split(candidate_bp=bp), **more)


def gateway(*processes, **options):
    sockets = tuple(haproxy.address for haproxy in processes)
    return HaproxyGateway("edge", HaproxyOptions(sockets, LAYOUT, timeout_s=0.5, **options))


@pytest.fixture
async def one(tmp_path):
    async with scripted(tmp_path) as haproxy:
        yield haproxy


async def applied(edge, bp):
    receipt = await edge.apply(at(bp), timeout_s=5.0)
    return receipt.outcome


async def test_a_split_is_confirmed_when_every_process_was_read_back(tmp_path):
    async with scripted(tmp_path, pid=1) as first, scripted(tmp_path, pid=2) as second:
        edge = gateway(first, second)
        assert await applied(edge, 10) is Applied.CONFIRMED
        assert first.entries == second.entries == {"bot": "10"}
        second.entries["bot"] = "5000"
        verification = await edge.verify("bot")
    assert verification.proof is Proof.DRIFTED
    assert second.address in verification.detail, "nobody would know at which process"


async def test_a_process_that_is_not_there_does_not_hold_the_others_up(tmp_path):
    async with scripted(tmp_path, pid=2) as gone:
        pass
    async with scripted(tmp_path, pid=1) as first:
        edge = gateway(first, gone)
        receipt = await edge.apply(at(0), timeout_s=5.0)
        assert receipt.outcome is Applied.UNREACHABLE
        assert gone.address in receipt.detail
        assert first.entries == {"bot": "0"}, "a rollback waited for another process"
        assert (await edge.verify("bot")).proof is Proof.UNREACHABLE
        with pytest.raises(GatewayError):
            await edge.observe("bot")
        status = await edge.status()
    assert not status.reachable
    assert status.nodes == (f"{first.address} (pid 1)",)


async def test_a_split_that_only_some_follow_is_called_partial(tmp_path):
    async with scripted(tmp_path, pid=1) as first, scripted(tmp_path, pid=2, level="user") as second:
        edge = gateway(first, second)
        receipt = await edge.apply(at(10), timeout_s=5.0)
        assert (receipt.outcome, receipt.code) == (Applied.REFUSED, "partial")
        assert (await gateway(second).apply(at(10), timeout_s=5.0)).code == "denied"
        forever = asyncio.Event()
        second.answers["show cli level"] = forever.wait
        patient = HaproxyGateway("edge", HaproxyOptions((first.address, second.address), LAYOUT, timeout_s=5.0))
        receipt = await patient.apply(at(20), timeout_s=1.0)
        forever.set()
    assert (receipt.outcome, receipt.code) == (Applied.UNREACHABLE, "partial")
    assert receipt.detail == f"{second.address}: no answer within 1 s", "the one that follows is blamed as well"


async def test_what_was_accepted_and_does_not_stand_is_not_confirmed(one):
    one.answers["add map /m bot 10"] = "\n"
    receipt = await gateway(one).apply(at(10), timeout_s=5.0)
    assert receipt.outcome is Applied.UNCONFIRMED, "set was taken for applied"
    assert "add map /m bot 10" in receipt.detail


async def test_a_restart_is_told_from_a_persons_edit(one):
    edge = gateway(one)
    assert (await edge.verify("bot")).proof is Proof.PENDING
    await applied(edge, 1_000)
    assert (await edge.verify("bot")).proof is Proof.APPLIED
    one.entries["bot"] = "0"
    assert (await edge.verify("bot")).proof is Proof.DRIFTED
    one.pid += 1
    assert (await edge.verify("bot")).proof is Proof.RESET


async def test_a_replaced_container_is_no_persons_hand_though_its_pid_is_the_same(one):
    edge = gateway(one)
    await applied(edge, 1_000)
    one.entries["bot"] = "0"
    one.started_s += 60
    assert (await edge.verify("bot")).proof is Proof.RESET, "a restart would pause the rollout, and ask"


async def test_a_split_that_cannot_be_given_is_refused_with_the_reason(tmp_path):
    async with scripted(tmp_path, backends={"bot_stable": empty(1), "bot_candidate": {}}) as haproxy:
        edge = gateway(haproxy)
        receipt = await edge.apply(at(10), timeout_s=5.0)
        assert receipt.outcome is Applied.REFUSED
        assert "no free server" in receipt.detail
        assert (await edge.verify("bot")).proof is Proof.REFUSED
        assert haproxy.entries == {"bot": "0"}


async def test_what_is_in_its_way_is_out_of_it_in_the_second_round(tmp_path):
    backends = {
        "bot_stable": {"first": {"addr": "127.0.0.1:9"}, **empty(1)},
        "bot_candidate": {"only": {"addr": "x:9"}},
    }
    async with scripted(tmp_path, backends=backends) as haproxy:
        assert await applied(gateway(haproxy), 10) is Applied.CONFIRMED


async def test_a_frozen_process_is_given_up_in_time(one):
    forever = asyncio.Event()
    one.answers["show info"] = forever.wait
    receipt = await gateway(one).apply(at(10), timeout_s=0.05)
    forever.set()
    assert receipt.outcome is Applied.UNREACHABLE
    assert "0.05 s" in receipt.detail


async def test_a_reload_finds_what_was_applied_on_the_disk(one, tmp_path):
    files = {"map_file": str(tmp_path / "turnout.map"), "state_file": str(tmp_path / "turnout.state")}
    one.entries["other"] = "7"
    edge = gateway(one, **files)
    await applied(edge, 10)
    assert (tmp_path / "turnout.map").read_text() == "other 7\nbot 10\n", "somebody else's entry was lost"
    assert (tmp_path / "turnout.state").read_text().startswith("1\n# be_id")
    one.heard.clear()
    await applied(edge, 10)
    assert "show servers state" not in one.heard, "the disk is written though nothing has changed"


async def test_a_disk_that_fails_holds_no_way_back_up(one, tmp_path):
    edge = gateway(one, map_file=str(tmp_path / "none" / "turnout.map"))
    receipt = await edge.apply(at(0), timeout_s=5.0)
    assert receipt.outcome is Applied.CONFIRMED
    assert "a reload would not keep it" in receipt.detail
    (tmp_path / "none").mkdir()
    assert (await edge.apply(at(0), timeout_s=5.0)).detail == "", "it is not tried again"


async def test_what_one_process_has_is_kept_for_a_reload_though_another_is_away(tmp_path):
    file = tmp_path / "turnout.map"
    async with scripted(tmp_path, pid=2) as gone:
        pass
    async with scripted(tmp_path, pid=1) as first:
        await applied(gateway(first, map_file=str(file)), 5_000)
        for sockets in ((first, gone), (gone, first)):
            first.entries["bot"] = "5000"
            file.write_text("bot 5000\n")
            assert await applied(gateway(*sockets, map_file=str(file)), 0) is Applied.UNREACHABLE
            assert first.entries == {"bot": "0"}
            assert file.read_text() == "bot 0\n", "a reload would bring back what was rolled back"


async def test_a_look_writes_what_the_disk_did_not_take(one, tmp_path):
    folder = tmp_path / "none"
    edge = gateway(one, map_file=str(folder / "turnout.map"))
    await applied(edge, 0)
    assert "a reload would not keep it" in (await edge.verify("bot")).detail
    folder.mkdir()
    assert (await edge.verify("bot")).detail == ""
    assert (folder / "turnout.map").read_text() == "bot 0\n", "nobody tries again until the next step"


async def test_counts_are_per_version_and_grow(one):
    edge = gateway(one)
    await applied(edge, 10)
    before = await edge.observe("bot")
    one.backends["bot_candidate"]["slot1"].update(hrsp_2xx=5, hrsp_5xx=1, scur=2)
    after = await edge.observe("bot")
    assert before.tallies == {"1": Tally(), "2": Tally()}
    assert after.tallies == {"1": Tally(), "2": Tally(6, 1)}
    assert after.in_flight == {"1": 0, "2": 2}
    assert before.epoch == after.epoch
    with pytest.raises(GatewayError, match="not known"):
        await edge.observe("nobody")


async def test_a_cut_ends_what_the_version_has_and_nothing_else(one):
    edge = gateway(one)
    await applied(edge, 10)
    one.heard.clear()
    await edge.cut("bot", "2")
    await edge.cut("nobody", "2")
    assert one.changes == ["shutdown sessions server bot_candidate/slot1"]


async def test_a_cut_reaches_every_process_that_lives(tmp_path):
    async with scripted(tmp_path, pid=2) as gone:
        pass
    async with scripted(tmp_path, pid=1) as first:
        edge = gateway(gone, first)
        await edge.apply(at(10), timeout_s=5.0)
        first.heard.clear()
        with pytest.raises(GatewayError) as raised:
            await edge.cut("bot", "2")
    assert first.changes == ["shutdown sessions server bot_candidate/slot1"], "a dead process spared another's streams"
    assert (raised.value.code, raised.value.retryable) == ("partial", True)
    assert gone.address in str(raised.value)


async def test_an_agent_that_goes_is_left_to_its_stable_version(one):
    edge = gateway(one)
    await edge.remove("bot")
    await applied(edge, 5_000)
    await edge.remove("bot")
    assert one.entries == {"bot": "0"}
    assert one.backends["bot_stable"]["slot1"]["status"] == "no check", "nobody would answer any more"
    assert (await edge.verify("bot")).proof is Proof.PENDING


async def test_an_agent_that_cannot_be_told_to_go_is_tried_again(one):
    edge = gateway(one)
    await applied(edge, 5_000)
    one.answers["set map /m bot 0"] = "\n"
    with pytest.raises(GatewayError) as raised:
        await edge.remove("bot")
    assert raised.value.retryable
    del one.answers["set map /m bot 0"]
    await edge.remove("bot")


async def test_host_names_are_looked_up_and_followed(one):
    found = {"agents": ["127.0.0.1"], "new": ["127.0.0.2"]}

    async def resolve(host, _port):
        if host not in found:
            raise OSError(host)
        return found[host]

    edge = HaproxyGateway("edge", HaproxyOptions((one.address,), LAYOUT), resolve=resolve)
    wanted = replace(at(10), stable=Version("1", ("agents:3001",)), candidate=Version("2", ("new:1",)))
    await edge.start([wanted])
    assert (await edge.apply(wanted, timeout_s=5.0)).outcome is Applied.CONFIRMED
    found["agents"] = ["::1"]
    verification = await edge.verify("bot")
    assert "addr ::1 port 3001" in verification.detail
    assert verification.proof is Proof.PENDING, "a changed DNS answer would pause the rollout, or be called a restart"
    assert "a host name has other addresses now" in verification.detail
    one.entries["bot"] = "5000"
    assert (await edge.verify("bot")).proof is Proof.DRIFTED, "a person's edit hides behind a changed DNS answer"
    del found["agents"]
    await edge.apply(wanted, timeout_s=5.0)
    assert (await edge.verify("bot")).proof is Proof.APPLIED, "a name that stopped resolving lost its address"


async def test_a_version_without_any_address_is_not_confirmed_and_not_given_up(one):
    async def resolve(host, _port):
        raise OSError(host)

    edge = HaproxyGateway("edge", HaproxyOptions((one.address,), LAYOUT), resolve=resolve)
    for nameless, split in (({"candidate": Version("2", ("nowhere:1",))}, 10), ({"stable": Version("1", ("x:1",))}, 0)):
        receipt = await edge.apply(replace(at(split), **nameless), timeout_s=5.0)
        assert receipt.outcome is Applied.UNREACHABLE, "a resolver's bad minute ends a rollout, or confirms what is not"
        assert "no address is known of" in receipt.detail
        assert one.entries == {"bot": "0"}


async def test_a_way_back_waits_for_no_resolver(one, tmp_path):
    looked_up, written = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    async def hang(_host, _port):
        await looked_up.wait()
        return ["127.0.0.1"]

    def save(path, text):
        disk.save(path, text)
        loop.call_soon_threadsafe(written.set)

    one.entries["bot"] = "5000"
    file = tmp_path / "turnout.map"
    edge = HaproxyGateway("edge", HaproxyOptions((one.address,), LAYOUT), resolve=hang)
    edge._files = disk.Files(str(file), None, save=save)
    named = replace(at(0), stable=Version("1", ("old:3001",)), candidate=Version("2", ("new:3002",)))
    async with asyncio.TaskGroup() as tasks:
        back = tasks.create_task(edge.apply(named, timeout_s=5.0))
        async with asyncio.timeout(5.0):
            await written.wait()
        assert one.entries == {"bot": "0"}, "after a restart of the controller the candidate serves until DNS answers"
        assert file.read_text() == "bot 0\n", "a reload would bring back what was rolled back"
        assert not back.done()
        looked_up.set()
        assert (await back).outcome is Applied.CONFIRMED


async def test_a_way_back_waits_for_no_master_and_for_no_look_at_old_workers(tmp_path):
    entered, forever = asyncio.Event(), asyncio.Event()

    async def hang():
        entered.set()
        await forever.wait()
        return "# old workers\n"

    async with scripted(tmp_path) as haproxy, scripted(tmp_path, pid=1, answers={"show proc": hang}) as master:
        edge = HaproxyGateway("edge", HaproxyOptions((haproxy.address,), LAYOUT, master=master.address, timeout_s=5.0))
        await edge.start([at(5_000)])
        async with asyncio.TaskGroup() as tasks:
            look = tasks.create_task(edge.observe("bot"))
            await entered.wait()
            assert await applied(edge, 0) is Applied.CONFIRMED
            assert (await edge.verify("bot")).proof is Proof.APPLIED
            assert not look.done()
            assert master.heard == ["show proc"], "a rollback asked for what it does not need"
            forever.set()


async def test_the_way_back_looks_at_nothing_before_it_begins(one):
    edge, forever = gateway(one), asyncio.Event()
    await edge.start([])
    assert await applied(edge, 5_000) is Applied.CONFIRMED
    one.answers["show info"] = forever.wait
    one.heard.clear()
    assert await applied(edge, 0) is Applied.UNREACHABLE, "it was confirmed, and nobody has looked"
    assert one.heard[0] == "set map /m bot 0"
    assert one.entries["bot"] == "0", "a rollback waited for what it does not need"
    forever.set()


async def test_an_interrupted_change_leaves_the_door_open(one):
    entered, forever = asyncio.Event(), asyncio.Event()

    async def hang():
        entered.set()
        await forever.wait()
        return ""

    edge = gateway(one)
    one.answers["show info"] = hang
    async with asyncio.TaskGroup() as tasks:
        change = tasks.create_task(edge.apply(at(5_000), timeout_s=5.0))
        await entered.wait()
        change.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await change
    forever.set()
    del one.answers["show info"]
    assert await applied(edge, 0) is Applied.CONFIRMED, "a rollback waits behind an interrupted step"


# --- a step tells before it looks -------------------------------------------------------------------------------------


@pytest.fixture
async def seen(one):
    """A process at 10 %, on a clock that stands still, which was looked at a moment ago."""
    clock = [100.0]
    edge = HaproxyGateway("edge", HaproxyOptions((one.address,), LAYOUT, timeout_s=0.5), now_s=lambda: clock[0])
    assert await applied(edge, 1_000) is Applied.CONFIRMED
    one.heard.clear()
    return edge, clock


async def test_a_step_of_a_process_that_was_just_seen_is_told_first_and_read_back(one, seen):
    edge, _ = seen
    assert await applied(edge, 2_000) is Applied.CONFIRMED
    assert one.heard[0] == "set map /m bot 2000", "a step takes twice as long to its effect"
    assert "show map /m" in one.heard, "set is taken for applied"
    assert one.changes == ["set map /m bot 2000"]


async def test_what_was_seen_long_ago_is_looked_at_first(one, seen):
    edge, clock = seen
    clock[0] += module.SIGHT_S + 0.1
    assert await applied(edge, 2_000) is Applied.CONFIRMED
    assert one.heard[0].startswith("show "), "a process that began again long ago is guided to servers it has not got"


async def test_one_that_began_again_meanwhile_is_put_right(one, seen):
    edge, _ = seen
    one.entries.clear()
    for server in one.backends["bot_candidate"].values():
        server.update(addr="127.0.0.1:1", status="MAINT")
    assert await applied(edge, 2_000) is Applied.CONFIRMED, "a restart is taken for a refusal"
    assert one.entries == {"bot": "2000"}
    assert any(server["addr"] == NEW.endpoints[0] for server in one.backends["bot_candidate"].values())


async def test_a_way_back_is_told_once(one, seen):
    edge, _ = seen
    assert await applied(edge, 0) is Applied.CONFIRMED
    assert [command for command in one.changes if " map " in command] == ["set map /m bot 0"]
