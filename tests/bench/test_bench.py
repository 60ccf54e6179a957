"""That every benchmark still runs, with numbers too small to mean anything: the shape of its lines, never a time."""

import io
import sys

import pytest
from rich.console import Console

from controller.errors import NotFoundError
from tests.bench import effect
from tests.bench.__main__ import (
    decision_lines,
    main,
    memory_lines,
    push_lines,
    report_lines,
    shared_host_lines,
    show,
)
from tests.bench.line import MARGIN, Line, bounded, compared
from tests.bench.wire import NODE_BYTES, introduction, load_report
from tests.contract.play import Play, until, until_served
from tests.contract.stage import free_ports
from tests.contract.stages.envoy import STAGE
from tests.contract.traffic import acting
from xds.load_reports import LoadReportStream

STREAMS = 3


def shown(lines):
    console = Console(file=io.StringIO(), width=300)
    show(lines, console)
    return console.file.getvalue()


def measured(lines):
    """What was measured, of lines that each have a figure, and a ratio wherever they have a floor."""
    for line in lines:
        assert line.ours, f"{line.what} was not measured"
        assert bool(line.used) is bool(line.goal), f"{line.what} has a goal, and nobody says whether it is met"
        assert not line.floor or not line.ratio or float(line.ratio) > 0
        assert line.what in shown(lines)
    return [line.what for line in lines]


# --- what is said of a goal -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("used", "said", "fails"),
    [(0.0, "", False), (1.0, "met", False), (1.04, "missed by 4%", False), (1.5, "missed by 50%", True)],
)
def test_a_goal_is_met_or_missed_by_its_letter(used, said, fails):
    line = Line("x", goal="≤ 1", used=used)
    assert (line.judgement, line.fails) == (said, fails), "a miss is told as something else"
    assert not Line("x", goal="≤ 1", used=2 + MARGIN, counts=False).fails


def test_times_are_compared_by_their_medians():
    line = compared("push", [0.003, 0.002, 9.0], [0.001, 0.002, 0.003], 1.2)
    assert (line.ours, line.floor, line.ratio, line.goal) == ("3.0 ms", "2.0 ms", "1.50", "≤ 1.2")
    assert line.judgement == "missed by 25%"
    assert bounded("first byte", [0.001, 0.004, 0.004], 0.005, "< 5 ms").judgement == "met"


def test_a_reason_stands_beside_the_judgement():
    assert Line("x", used=1.5, note="most is the floor").judgement == "missed by 50%; most is the floor"
    assert "not measured: there is none" in shown([Line("x", note="not measured: there is none")])


# --- the figures ------------------------------------------------------------------------------------------------------


def test_judging_a_block():
    measured(decision_lines(blocks=5))


async def test_pushes_and_storms():
    found = measured(await push_lines(2, STREAMS, storms=1, rounds=1, pushes=1))
    assert len(found) == 10
    assert len([what for what in found if what.endswith("floor set up as ours")]) == 4
    assert all("3 streams, 2 virtual hosts" in what for what in found)


async def test_agents_at_one_host():
    assert measured(await shared_host_lines(2, STREAMS)) == [
        "changed split to first byte: 3 streams, 2 agents at one virtual host"
    ]


async def test_memory():
    measured(await memory_lines(10))


async def test_load_reports_in_all_and_above_the_floor():
    lines = await report_lines(STREAMS, rounds=1, seconds=1)
    whole, own = lines
    assert whole.ours, "what the issue names is the whole"
    assert not whole.counts, "what a server that only reads needs cannot be saved"
    assert own.what.endswith("above the floor")
    assert float(own.ours.rstrip("%")) <= float(whole.ours.rstrip("%"))


def test_reports_are_as_long_as_an_envoys():
    stream = LoadReportStream()
    assert stream.receive(introduction("node-1")) is None, "a stream begins with the node alone"
    report = stream.receive(load_report("node-1", requests=7))
    assert [version.successes for cluster in report.clusters for version in cluster.versions] == [7, 7]
    assert len(load_report("node-1", requests=7)) > NODE_BYTES, "the second report repeats the node"


async def test_commands_to_effect():
    lines, ways = await effect.effect_lines(dict.fromkeys(effect.PROGRAMS, 1)), ("a step", "the way back")
    assert measured(lines) == [
        *(f"command to effect: {kind}, {way}" for kind in ("envoy", "haproxy", "openresty") for way in ways),
        *(f"command to effect: traefik, {way}{what}" for way in ways for what in ("", ", in all")),
    ]


async def test_a_gateway_whose_program_is_missing_is_told(monkeypatch):
    def located():
        raise NotFoundError("There is no HAProxy here.", remedy="Install it.")

    monkeypatch.setattr(effect, "PROGRAMS", {"haproxy": located})
    [line] = await effect.effect_lines()
    assert line.judgement == "not measured: There is no HAProxy here. Install it.", "a gateway was skipped in silence"
    assert not line.fails


def test_a_part_is_run_alone(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["make bench", "--only", "decisions"])
    assert main() == 0
    assert "1 of 1: decisions" in capsys.readouterr().out


async def test_an_envoy_repeats_its_node_in_every_report(tmp_path, monkeypatch):
    lengths, receive = [], LoadReportStream.receive

    def listening(stream, data):
        lengths.append(len(data))
        return receive(stream, data)

    async def has_reported():
        return len(lengths) > 2

    monkeypatch.setattr(LoadReportStream, "receive", listening)
    stage = STAGE()
    async with acting("1.0.0") as old:
        try:
            await stage.open(tmp_path, free_ports(), Play(old, old, old).at(0))
            await until_served(stage.url)
            await until(has_reported, "Envoy reports its load")
        finally:
            await stage.close()
    assert min(lengths) > 0.9 * NODE_BYTES, "the benchmark's reports are longer than an Envoy's"
