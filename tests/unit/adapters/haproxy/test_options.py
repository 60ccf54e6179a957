from adapters.haproxy.options import CAPABILITIES, WEIGHTS_SHARE_BP_MIN, HaproxyOptions, capabilities
from adapters.haproxy.plan import Layout

BY_MAP = HaproxyOptions(("unix:/s",), Layout("{agent}_stable", "{agent}_candidate", "/m"))
BY_WEIGHT = HaproxyOptions(("unix:/s",), Layout("{agent}", "{agent}", None))


def test_weights_say_what_they_can_give():
    assert capabilities(BY_MAP) == CAPABILITIES
    found = capabilities(BY_WEIGHT)
    assert found.share_bp_min == WEIGHTS_SHARE_BP_MIN
    assert found.share_given(1, 1, 1) == 0, "a step of 0.01 % would be promised"


def test_latency_is_reported_where_a_log_comes():
    assert not capabilities(BY_MAP).reports_latency
    logged = HaproxyOptions(("unix:/s",), BY_MAP.layout, latency_log="127.0.0.1:5140")
    assert capabilities(logged).reports_latency
