from hypothesis import given
from hypothesis import strategies as st

from adapters.port import Tally
from adapters.traefik.counters import read

PAGE = """\
# HELP process_start_time_seconds Start time of the process since unix epoch in seconds.
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1.7952517669e+09
# TYPE traefik_service_requests_total counter
traefik_service_requests_total{code="200",method="GET",protocol="http",service="turnout.bot.1.0+x@file"} 38
traefik_service_requests_total{code="200",method="POST",protocol="http",service="turnout.bot.1.0+x@file"} 2
traefik_service_requests_total{code="502",method="GET",protocol="http",service="turnout.bot.1.0+x@file"} 3
traefik_service_requests_total{code="404",method="GET",protocol="http",service="turnout.bot.2.0@file"} 1e+03
traefik_service_requests_total{code="200",method="GET",protocol="http",service="turnout.bot-2.2.0@file"} 7
traefik_service_requests_total{code="200",method="GET",protocol="http",service="turnout.bot.2.0@http"} 9
traefik_service_requests_total{code="200",method="GET",protocol="http",service="turnout.bot@file"} 9
traefik_service_requests_total{code="200",method="GET",protocol="http",service="turnout.bot~stable@file"} 9
traefik_service_requests_total{code="200",method="GET",protocol="http",service="theirs.bot.1.0@file"} 9
traefik_service_requests_bytes_total{code="200",method="GET",protocol="http",service="turnout.bot.2.0@file"} 9
"""


def test_requests_and_errors_are_summed_per_version():
    page = read(PAGE, "file")
    assert page.epoch == "1.7952517669e+09"
    assert page.tallies == {
        "bot": {"1.0+x": Tally(43, 3), "2.0": Tally(1_000, 0)},
        "bot-2": {"2.0": Tally(7, 0)},
    }, "what is judged is not what was counted"


def test_another_provider_has_other_services():
    assert read(PAGE, "http").tallies == {"bot": {"2.0": Tally(9, 0)}}


def test_a_page_that_says_nothing_has_no_epoch():
    page = read("", "file")
    assert (page.epoch, page.tallies) == ("", {})


def test_a_count_that_is_none_is_left_out():
    line = 'traefik_service_requests_total{{code="200",service="turnout.bot.1.0@file"}} {}\n'
    for value in ("NaN", "-1", "+Inf", "many", "1e300"):
        assert read(line.format(value), "file").tallies == {}, value


@given(st.text() | st.builds(lambda at, text: PAGE[:at] + text + PAGE[at:], st.integers(0, len(PAGE)), st.text()))
def test_a_page_may_be_anything(text):
    for versions in read(text, "file").tallies.values():
        assert all(0 <= tally.errors <= tally.requests for tally in versions.values())
