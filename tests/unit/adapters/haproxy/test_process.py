import pytest

from adapters.haproxy.plan import Layout, Plan
from adapters.haproxy.process import HaproxyProcess
from adapters.port import GatewayError
from tests.unit.adapters.haproxy.scripted import scripted, stat

LAYOUT = Layout("{agent}_stable", "{agent}_candidate", "/m")
BUSY = {"addr": "127.0.0.1:3001", "scur": 2}
PROC = "#<PID>\n1 master\n# workers\n2 worker 0\n# old workers\n7 worker 1\n8 worker 2\n# programs\n"
SESSIONS = "0x1: src=x be=bot_stable srv=slot1 ts=0\n0x2: src=x be=bot_stable srv=slot2 ts=0\n"


def process(haproxy, master=None):
    return HaproxyProcess("edge", haproxy.address, master and master.address, 1.0, LAYOUT)


def old_worker(pid):
    tables = {
        "stable": stat("bot_stable", slot1=BUSY, slot2={"addr": "127.0.0.1:9"}),
        "candidate": stat("bot_candidate"),
    }
    info = f"Version: 2.6.12\nPid: {pid}\nStart_time_sec: 5\n"
    return {f"@!{pid} show info": info, **{f"@!{pid} show stat bot_{track} 4 -1": tables[track] for track in tables}}


async def test_old_workers_are_seen_through_the_master(tmp_path):
    gone = "Can't find the target PID matching the prefix '@!8'\n"
    answers = {"show proc": PROC, **old_worker(7), "@!8 show info": gone}
    async with scripted(tmp_path) as haproxy, scripted(tmp_path, pid=1, answers=answers) as master:
        [old] = await process(haproxy, master).see_old("bot")
    assert (old.socket, old.life) == (haproxy.address, (7, 5))
    assert old.servers[0].in_flight == 2


async def test_without_a_master_old_workers_are_not_called_none(tmp_path):
    async with scripted(tmp_path) as haproxy:
        assert await process(haproxy).see_old("bot") is None


async def test_a_master_that_fails_is_told_of_and_hides_no_present_worker(tmp_path):
    async with scripted(tmp_path) as haproxy, scripted(tmp_path, pid=1, answers={"show proc": None}) as master:
        assert (await process(haproxy, master).see("bot")).sighting.life.pid == haproxy.pid
        with pytest.raises(GatewayError) as raised:
            await process(haproxy, master).see_old("bot")
    assert raised.value.code == "unreachable"


async def test_a_cut_reaches_old_workers_session_by_session(tmp_path):
    answers = {"show proc": PROC.replace("8 worker 2\n", ""), **old_worker(7), "@!7 show sess": SESSIONS}
    answers["@!7 shutdown session 0x1"] = "\n"
    backends = {"bot_stable": {"slot1": BUSY, "slot2": {"addr": "127.0.0.1:9"}}, "bot_candidate": {}}
    async with (
        scripted(tmp_path, backends=backends) as haproxy,
        scripted(tmp_path, pid=1, answers=answers) as master,
    ):
        await process(haproxy, master).cut("bot", {"127.0.0.1:3001"})
    assert haproxy.changes == ["shutdown sessions server bot_stable/slot1"], "somebody else's streams were cut"
    assert [command for command in master.heard if "shutdown" in command] == ["@!7 shutdown session 0x1"]


async def test_a_master_that_is_away_spares_no_streams_of_the_present_worker(tmp_path):
    backends = {"bot_stable": {"slot1": BUSY, "slot2": BUSY}, "bot_candidate": {}}
    refusal = {"shutdown sessions server bot_stable/slot1": "Permission denied\n"}
    async with (
        scripted(tmp_path, backends=backends, answers=refusal) as haproxy,
        scripted(tmp_path, pid=1, answers={"show proc": None}) as master,
    ):
        with pytest.raises(GatewayError, match="Permission denied") as raised:
            await process(haproxy, master).cut("bot", {"127.0.0.1:3001"})
    assert "shutdown sessions server bot_stable/slot2" in haproxy.changes, "a failure elsewhere spared its streams"
    assert raised.value.code == "partial"
    assert master.address in str(raised.value), "nobody is told what else went wrong"


async def test_a_mere_user_is_denied_before_anything_is_changed(tmp_path):
    async with scripted(tmp_path, level="user") as haproxy:
        with pytest.raises(GatewayError, match="level 'user'") as raised:
            await process(haproxy).check_level()
    assert raised.value.code == "denied"
    assert haproxy.changes == []


async def test_stick_tables_forget_servers_that_left_and_others_have_none(tmp_path):
    table = "# table: bot_stable, type: string, size:100, used:1\n"
    async with scripted(tmp_path, answers={"show table": table}) as haproxy:
        await process(haproxy).carry_out(Plan((), evicted=(("bot_stable", 3), ("bot_candidate", 1))))
    assert haproxy.changes == ["clear table bot_stable data.server_id eq 3"]


async def test_the_first_command_that_fails_is_the_last(tmp_path):
    async with scripted(tmp_path) as haproxy:
        with pytest.raises(GatewayError, match="No such server"):
            await process(haproxy).carry_out(Plan(("set server bot_stable/gone weight 1", "set map /m bot 10000")))
    assert haproxy.entries == {}, "the share rose though nobody was there to serve it"


async def test_an_answer_of_another_shape_is_told_as_invalid(tmp_path):
    async with scripted(tmp_path, answers={"show info": "Welcome\n"}) as haproxy:
        with pytest.raises(GatewayError, match="does not say") as raised:
            await process(haproxy).info()
    assert raised.value.code == "invalid"
