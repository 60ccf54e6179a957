import io

import pytest
from rich.console import Console

from controller.cli.picture import Agent, News, read
from controller.cli.screen import bar, change_line, news_line, screen
from tests.unit.controller.cli.fake import SHARE, agent, behind, build, finding, link, news, resting, rollout

NOTHING = {"stable_percent": 100.0, "candidate_percent": 0.0, "mirror_percent": 0.0}


def drawn(*agents, heard=(), notice="", width=110):
    file = io.StringIO()
    picture = screen([read(Agent, each) for each in agents], [read(News, each) for each in heard], notice=notice)
    Console(file=file, width=width, highlight=False, markup=False).print(picture)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()).strip("\n")


def test_a_step_that_is_watched():
    assert (
        drawn(agent(gateways=[link(), link("edge-2")]), heard=[news(1)])
        == """\
code-assistant  health-check 2/3  change 7: step: step 2 of 3: 10 % candidate
track       version   wanted   in flight   endpoints
stable      1.2.3     90 %     80          10.0.0.11:3000, 10.0.0.12:3000
candidate   1.3.0     10 %     8           10.0.0.21:3000

gateway   confirmed   up to date   observed         detail
edge      10 %        yes          9.83 % of 1200
edge-2    10 %        yes          9.83 % of 1200

verdict: undecided
objective            evidence of a breach          verdict     candidate       stable
errors               ██░░░░░░░░░░░░░░░░░░   0.12   undecided   1.69 % of 118   0.83 % of 1082
unsafe (guardrail)   ░░░░░░░░░░░░░░░░░░░░   0.00   undecided   1.69 % of 118   0.83 % of 1082

hold: 3 min 32 s left; next: 50 % for 10 min

last decisions
12:04:07 code-assistant step: step 2 of 3: 10 % candidate"""
    )


def test_a_rollback_that_a_gateway_has_not_confirmed():
    reason = "errors: candidate 21.0% of 118, stable 0.8% of 1082"
    breach = finding(verdict="breach", evidence_ratio=1.31, candidate={"valid": 118, "bad": 25, "bad_fraction": 0.2119})
    state = agent(
        phase="rolling-back",
        wanted=NOTHING,
        verdict="breach",
        findings=[breach],
        rollout=rollout(step=None, reason=reason),
        timers=[],
        drains=[{"version": "1.3.0", "deadline_at": "2026-01-31T12:09:00Z", "seconds_left": 30.1}],
        gateways=[link(confirmed=NOTHING), behind("edge-2")],
        changed_by="rolling-back: " + reason,
    )
    heard = [news(1), news(2, "rolling-back", reason)]
    assert (
        drawn(state, heard=heard)
        == """\
code-assistant  rolling-back  change 7: rolling-back: errors: candidate 21.0% of 118, stable 0.8% of 1082
track       version   wanted   in flight   endpoints
stable      1.2.3     100 %    80          10.0.0.11:3000, 10.0.0.12:3000
candidate   1.3.0     0 %      8           10.0.0.21:3000

gateway   confirmed   up to date   observed         detail
edge      0 %         yes          9.83 % of 1200
edge-2    1 %         no           9.83 % of 1200   unreachable: no node of edge is connected

verdict: breach
objective   evidence of a breach          verdict   candidate        stable
errors      ████████████████████   1.31   breach    21.19 % of 118   0.83 % of 1082

draining 1.3.0: 30 s left; errors: candidate 21.0% of 118, stable 0.8% of 1082

last decisions
12:04:07 code-assistant step: step 2 of 3: 10 % candidate
12:04:07 code-assistant rolling-back: errors: candidate 21.0% of 118, stable 0.8% of 1082"""
    )


def test_an_agent_at_rest_has_no_verdict():
    assert (
        drawn(resting())
        == """\
code-assistant  idle  change 7: step: step 2 of 3: 10 % candidate
track    version   wanted   in flight   endpoints
stable   1.2.3     100 %    40          10.0.0.11:3000, 10.0.0.12:3000

gateway   confirmed   up to date   observed   detail
edge      0 %         yes          ?"""
    )


def test_what_a_gateway_says_beside_its_confirmation_is_shown():
    words = "a reload would not keep it: the disk is full"
    assert words in drawn(agent(gateways=[link(remark=words)]), width=200)
    earlier = {"outcome": "confirmed", "detail": words, "took_s": 0.012, "split": SHARE}
    told = drawn(agent(gateways=[link(receipt=earlier, remark="")]), width=200)
    assert words not in told, "what the disk did not take an hour ago is shown for ever"


def test_a_controller_that_is_away_is_said_first_and_what_was_known_stays():
    told = drawn(agent(), notice="The controller cannot be reached: Connection refused.")
    assert told.startswith("The controller cannot be reached: Connection refused.\n\ncode-assistant  health-check")


def test_nothing_to_show_is_said():
    assert drawn() == "No agents."


def test_a_mirror_is_not_taken_for_live_traffic():
    mirrored = {**NOTHING, "mirror_percent": 50.0}
    told = drawn(agent(wanted=mirrored, gateways=[link(confirmed=mirrored)]))
    assert "0 %, mirroring 50 %" in told


def test_what_cannot_be_seen_is_not_shown_as_none_in_flight():
    told = drawn(agent(gateways=[link(in_flight={})], findings=[], timers=[], rollout=None))
    assert "candidate   1.3.0     10 %     ?           10.0.0.21:3000" in told
    assert "verdict" not in told


def test_a_hundred_endpoints_do_not_fill_the_screen():
    told = drawn(resting(stable=build("1.2.3", *(f"10.0.0.{n}:3000" for n in range(100)))))
    assert "10.0.0.2:3000 and 97 more" in told


def test_the_last_step_leads_to_promotion():
    assert "next: 100 %, then promotion" in drawn(agent(rollout=rollout(step=3)))


def test_words_of_others_cannot_draw():
    told = drawn(agent(changed_by="\x1b[2Jgone", gateways=[behind(detail="\x1b]0;x\x07")]), heard=[news(1, text="\r")])
    assert "\x1b" not in told
    assert "\\x1b[2Jgone" in told


@pytest.mark.parametrize(("ratio", "filled"), [(0.0, 0), (0.049, 0), (0.5, 10), (0.999, 19), (1.0, 20), (7.0, 20)])
def test_a_bar_is_full_at_a_breach_and_not_before(ratio, filled):
    assert bar(ratio) == "█" * filled + "░" * (20 - filled)


def test_an_agent_on_one_line():
    assert change_line(read(Agent, agent())) == (
        "code-assistant health-check 2/3: candidate 1.3.0 10 % → 10 % undecided"
    )
    assert change_line(read(Agent, resting())) == "code-assistant idle: candidate none 0 % → 0 %"


def test_a_gateway_that_has_confirmed_nothing_yet():
    waiting = [link(confirmed=None, up_to_date=False, receipt=None)]
    assert "10 % → nothing yet (0 of 1 gateways)" in change_line(read(Agent, agent(gateways=waiting, wanted=SHARE)))


def test_news_of_the_controller_itself():
    told = news_line(read(News, {**news(1, "settings", "new settings are in force", agent=""), "at": ""}))
    assert told == "? controller settings: new settings are in force"
