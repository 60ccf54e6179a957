from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from controller.observe.meters import AgentFigures, Figures, Meters
from xds.acks import Refusal
from xds.stream import Meter


def samples(meters: Meters, figures: Figures | None = None) -> dict[str, float]:
    """`name{label=value,…}` to value."""
    text = meters.render(figures or Figures()).decode()
    return {
        sample.name + "".join(f",{key}={value}" for key, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


AGENT = AgentFigures(
    agent="mail",
    phase="paused",
    phases=("idle", "paused"),
    wanted={"stable": 0.9, "candidate": 0.1},
    confirmed={("edge", "candidate"): 0.01},
    observed={("edge", "candidate"): 0.012},
    requests={("edge", "stable"): (90, 10)},
    in_flight={("edge", "stable"): 7},
    evidence={"errors": 0.4},
)


def test_figures_are_shown_as_they_come():
    shown = samples(Meters("1"), Figures([AGENT], {"edge": True, "inner": False}))
    expected = {
        "turnout_build_info,version=1": 1,
        "turnout_split_wanted_ratio,agent=mail,track=candidate": 0.1,
        "turnout_split_confirmed_ratio,agent=mail,gateway=edge,track=candidate": 0.01,
        "turnout_split_observed_ratio,agent=mail,gateway=edge,track=candidate": 0.012,
        "turnout_requests_total,agent=mail,gateway=edge,outcome=ok,track=stable": 90,
        "turnout_requests_total,agent=mail,gateway=edge,outcome=error,track=stable": 10,
        "turnout_in_flight,agent=mail,gateway=edge,track=stable": 7,
        "turnout_evidence_ratio,agent=mail,objective=errors": 0.4,
        "turnout_phase,agent=mail,phase=paused": 1,
        "turnout_phase,agent=mail,phase=idle": 0,
        "turnout_gateway_up,gateway=edge": 1,
        "turnout_gateway_up,gateway=inner": 0,
    }
    assert {key: shown[key] for key in expected} == expected


def test_an_agent_that_is_gone_is_shown_no_more():
    meters = Meters("1")
    assert any("mail" in key for key in samples(meters, Figures([AGENT])))
    assert not any("mail" in key for key in samples(meters)), "a dashboard would show an agent that nobody serves"


def test_receipts_are_counted_by_what_they_say():
    meters = Meters("1")
    for code in ("", "denied", "denied"):
        meters.receipt("edge", code, 0.02)
    shown = samples(meters)
    assert shown["turnout_gateway_apply_seconds_count"] == 3
    assert shown["turnout_gateway_errors_total,code=denied,gateway=edge"] == 2
    assert sum("turnout_gateway_errors_total" in key for key in shown) == 1, "what is confirmed is no error"


def test_only_the_end_of_a_rollout_counts_as_one():
    meters = Meters("1")
    meters.news("mail", "rolled-back", "idle")  # a split by hand that was taken back is no rollout
    meters.news("mail", "step", "health-check")
    meters.news("mail", "rolled-back", "rolled-back")
    assert {key: value for key, value in samples(meters).items() if "rollouts" in key} == {
        "turnout_rollouts_total,agent=mail,outcome=rolled-back": 1
    }


def test_the_disk_and_the_settings_are_counted():
    meters = Meters("1")
    meters.journal_append(0.002)
    meters.config_reload(accepted=False)
    shown = samples(meters)
    assert shown["turnout_journal_append_seconds_count"] == 1
    assert shown["turnout_config_reloads_total,result=refused"] == 1
    assert shown["turnout_config_reloads_total,result=ok"] == 0, "an alert on a rate needs the zero"


def test_the_xds_server_can_count_here():
    meters = Meters("1")
    meter: Meter = meters.xds
    meter.stream_opened("edge")
    meter.stream_opened("edge")
    meter.pushed("edge", "cds", 100)
    meter.acked("edge", "cds", 0.003)
    meter.nacked(Refusal("n", "edge", "rds", 1, "v", (), "no"))
    shown = samples(meters)
    assert shown["turnout_xds_streams,gateway=edge"] == 2
    assert shown["turnout_xds_pushes_total,type=cds"] == 1
    assert shown["turnout_xds_nacks_total,type=rds"] == 1
    assert shown["turnout_xds_ack_seconds_count"] == 1
    meter.stream_closed("edge")
    meter.stream_closed("edge")
    assert "turnout_xds_streams,gateway=edge" not in samples(meters), "labels grow with every name somebody makes up"


def test_no_series_says_when_a_counter_was_made():
    meters = Meters("1")
    meters.receipt("edge", "refused", 0.1)
    assert not any("_created" in key for key in samples(meters))
