from __future__ import annotations

import re

import pytest
from pydantic import TypeAdapter, ValidationError

from adapters.port import Split
from controller.api.shape import Build, DurationS, Endpoint, Name, PercentBp, SplitTold, Url, seconds_left, utc

GOOD = {
    Endpoint: ["10.0.0.11:3000", "agent.internal:80", "[::1]:1", "[2001:db8::1]:65535", "[::ffff]:9", "x:1"],
    Url: ["http://x/drain", "https://agent.internal:8443/a/b?c=d", "http://[::1]:9/"],
    Name: ["a", "code-assistant"],
    Build: ["1.2.3", "1.3.0-rc.1+b7"],
    DurationS: ["500ms", "60s", "5m", "1h", "7d", "399999ms"],
}
BAD = {
    Endpoint: ["", "x", ":80", "x:0", "x:65536", "::1:80", "[::1::2]:80", "http://x:1", "10.0.0.256:1", "x:80\n"],
    Url: ["", "x", "ftp://x", "http://", "http://a b/", "http://x/#y", "http://u:p@x/", "http://x/\n"],
    Name: ["", "-a", "A", "a" * 64, "a\n"],
    Build: ["", "-1", "1 2", "1\n"],
    DurationS: ["", "60", "1w", "1.5s", "-1s", "60s\n"],
}


def schema(kind) -> dict:
    return TypeAdapter(kind).json_schema()


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in GOOD.items() for text in texts])
def test_what_is_meant_is_taken_and_described(kind, text):
    TypeAdapter(kind).validate_python(text)
    assert re.search(schema(kind)["pattern"], text), f"{text} is taken, and the description forbids it"
    assert len(text) <= schema(kind)["maxLength"]


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in BAD.items() for text in texts])
def test_what_cannot_be_meant_is_refused_and_not_described(kind, text):
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(text)
    pattern = schema(kind)["pattern"]
    assert not re.fullmatch(pattern, text), f"{text!r} is refused, and the description allows it"


@pytest.mark.parametrize(("percent", "bp"), [(0, 0), (100, 10_000), (33.33, 3333), (0.29, 29), (57 * 0.01, 57)])
def test_percent_are_basis_points(percent, bp):
    assert TypeAdapter(PercentBp).validate_python(percent) == bp


def test_a_split_is_told_in_percent():
    told = SplitTold.of(Split(1234, mirror_bp=50))
    assert (told.stable_percent, told.candidate_percent, told.mirror_percent) == (87.66, 12.34, 0.5)


def test_moments_are_told_in_utc():
    assert utc(0.0015).isoformat() == "1970-01-01T00:00:00.002000+00:00"
    assert (seconds_left(10.0, 7.5), seconds_left(1.0, 2.0)) == (2.5, 0.0)
