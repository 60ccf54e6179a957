import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.kong.document import DocumentError, digest, lowered, merged, parse, upstream_in, weights_in, without
from adapters.kong.weights import Wanted

WHOLE = """
_format_version: '3.0'
_transform: false
services:
- {name: shop, host: shop, port: 80, id: s1, tags: ~}
upstreams:
- {name: shop, id: u1}
- {name: bot.turnout, id: u2, tags: ~}
targets:
- {upstream: u1, target: '10.0.0.9:80', weight: 100}
- {upstream: u2, target: '10.0.0.1:80', weight: 100, created_at: 1}
- {upstream: u2, target: '10.0.0.7:80', weight: 3, tags: [turnout]}
- {upstream: u2, target: '10.0.0.8:80', weight: 3}
plugins:
- {name: key-auth, config: {day: 2001-01-01, on: yes, hours: 12:30:45}}
"""
WANTED = Wanted({"10.0.0.1:80": 900}, {"10.0.0.2:80": 100})


def test_plain_values_stay_what_they_are():
    (plugin,) = parse(WHOLE)["plugins"]
    assert plugin["config"] == {"day": "2001-01-01", "on": "yes", "hours": "12:30:45"}, (
        "other people's settings would come back as something else"
    )
    assert parse("a: ~\nb: 1\nc: 1.5\nd: true\ne:\n") == {"a": None, "b": 1, "c": 1.5, "d": True, "e": None}


def test_names_are_text_however_they_look():
    document = parse('a: {404: x, true: 1, 1.50: 2, "7": 3, ~: 4, b: 5}')
    assert document == {"a": {"404": "x", "true": 1, "1.50": 2, "7": 3, "~": 4, "b": 5}}
    digest(document)


def test_ours_is_changed_and_the_rest_stays():
    before = parse(WHOLE)
    after = merged(before, "bot.turnout", WANTED, {"algorithm": "round-robin"})
    assert weights_in(after, "bot.turnout") == {"10.0.0.1:80": 900, "10.0.0.2:80": 100, "10.0.0.8:80": 0}
    assert upstream_in(after, "bot.turnout")["algorithm"] == "round-robin"
    assert without(after, "bot.turnout") == without(before, "bot.turnout")
    assert before == parse(WHOLE), "the document that was read has changed"
    assert merged(after, "bot.turnout", WANTED, {}) == after


def test_what_drains_stays_with_weight_0():
    wanted = Wanted({"10.0.0.1:80": 100}, {}, draining=frozenset({"10.0.0.7:80"}))
    assert weights_in(merged(parse(WHOLE), "bot.turnout", wanted, {}), "bot.turnout")["10.0.0.7:80"] == 0


@pytest.mark.parametrize(
    ("wanted", "weights"),
    [
        (Wanted({"10.0.0.1:80": 500, "10.0.0.5:80": 500}, {"10.0.0.7:80": 1}), [100, 1, 0]),
        (Wanted({"10.0.0.1:80": 900}, {"10.0.0.7:80": 9, "10.0.0.8:80": 3}), None),  # nothing is taken away
        (Wanted({"10.0.0.5:80": 100}, {}), None),  # nobody would serve
    ],
)
def test_of_what_is_refused_only_what_takes_from_the_candidate_is_done(wanted, weights):
    before = parse(WHOLE)
    least = lowered(before, "bot.turnout", wanted)
    assert before == parse(WHOLE)
    assert (least and list(weights_in(least, "bot.turnout").values())) == weights
    if least:
        assert without(least, "bot.turnout") == without(before, "bot.turnout")
        assert upstream_in(least, "bot.turnout") == upstream_in(before, "bot.turnout")


def test_an_upstream_is_made_where_there_is_none():
    empty = {"_format_version": "3.0"}
    after = merged(empty, "bot.turnout", WANTED, {})
    assert weights_in(after, "bot.turnout") == WANTED.all
    assert upstream_in(after, "bot.turnout")["tags"] == ["turnout"]
    assert weights_in(empty, "bot.turnout") == {}


def test_order_and_stamps_make_no_difference_and_everything_else_does():
    before = parse(WHOLE)
    turned = {**before, "targets": [{**row, "updated_at": 5} for row in reversed(before["targets"])]}
    assert digest(turned) == digest(before)
    assert digest({**before, "targets": before["targets"][1:]}) != digest(before)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- 1",
        "a: [",
        "upstreams: 1",
        "targets: [1]",
        "x: !!python/object:os.system {}",
        "x: !!binary YQ==",
        "x: !!set {a}",
        "? [a]\n: 1",
        "a: " + "[" * 5_000,
    ],
)
def test_what_is_no_configuration_is_refused(text):
    with pytest.raises(DocumentError):
        parse(text)


@pytest.mark.parametrize(
    "row",
    [
        {"weight": 1},
        {"target": 5},
        {"target": "host"},
        {"target": "h:1", "weight": "x"},
        {"target": "h:1", "weight": True},
    ],
)
def test_a_target_that_is_none_is_refused(row):
    with pytest.raises(DocumentError):
        weights_in({"upstreams": [{"name": "a", "id": "u"}], "targets": [{"upstream": "u", **row}]}, "a")


@settings(deadline=None)  # the machine may be busy
@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_nothing_else_ever_comes_of_reading(value):
    try:
        document = parse(yaml.safe_dump(value))
        digest(document)
    except DocumentError:
        pass
