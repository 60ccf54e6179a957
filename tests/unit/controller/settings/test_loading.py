"""Bad input and the exact line it gets; and that nothing but a SettingsError ever comes out."""

import random
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from controller.settings.loading import load, loads, parse
from controller.settings.problem import SettingsError
from controller.settings.source import Source

GATEWAY = """\
apiVersion: turnout.dev/v1alpha1
kind: Gateway
metadata: {name: edge}
spec: {type: envoy, envoy: {listen: "0.0.0.0:10000"}}
---
"""
GOOD = (
    GATEWAY
    + """\
apiVersion: turnout.dev/v1alpha1
kind: Agent
metadata: {name: code-assistant}
spec:
  gateways: [edge]
  route: {hosts: ["agents.example.com"], pathPrefix: /v1/agents/code-assistant}
  stable: {version: 1.2.3, endpoints: ["10.0.0.11:3000", "10.0.0.12:3000"]}
  strategy:
    type: canary
    steps:
      - {weight: 1, hold: 2m}
      - {weight: 10, hold: 5m}
      - {weight: 50, hold: 10m, approval: required}
    bake: 10m
    stickiness: {header: x-session-id}
  objectives:
    - {name: errors, indicator: error, max: 5%, margin: 1%}
    - {name: unsafe, indicator: unsafe, max: 0.1%, margin: 0%, guardrail: true}
  analysis: {alpha: 1%, noDataDeadline: 2m, undecided: hold}
  gate: {minVerificationScore: 0.95, consent: required, consentTimeout: 1h, minInterval: 7d}
  drain: {deadline: 10m}
  deadMan: 30s
"""
)


def problems(text):
    with pytest.raises(SettingsError) as refused:
        loads(text, "edge.yaml")
    return str(refused.value).splitlines()


def cases():
    """bad_input.txt: what is replaced in GOOD, by what, and the line that it gets."""
    for case in Path(__file__).with_name("bad_input.txt").read_text().strip().split("\n\n"):
        written, instead, line = case.split("\n")
        yield written.removeprefix("- "), instead.removeprefix("+").removeprefix(" "), line


@pytest.mark.parametrize(("written", "instead", "line"), list(cases()))
def test_bad_input_gets_one_line_that_mends_it(written, instead, line):
    assert written in GOOD
    assert problems(GOOD.replace(written, instead, 1)) == [line]


def test_what_the_design_shows_is_taken():
    settings = loads(GOOD)
    assert list(settings.gateways) == ["edge"]
    assert list(settings.agents) == ["code-assistant"]
    assert settings.access is None
    with pytest.raises(TypeError):
        settings.agents["other"] = settings.agents["code-assistant"]


def test_every_fault_is_told_at_once():
    text = (
        GOOD.replace("weight: 10", "weight: 150")
        .replace("deadMan: 30s", "deadMan: soon")
        .replace("type: envoy", "type: x")
    )
    assert [line.split(": ")[1] for line in problems(text)] == [
        "spec.type",
        "spec.strategy.steps[1].weight",
        "spec.deadMan",
    ]


def test_a_faulty_gateway_is_not_said_to_be_missing_as_well():
    assert len(problems(GOOD.replace("0.0.0.0:10000", "nowhere"))) == 1


def test_the_digest_is_of_what_is_asked_for_and_not_of_how_it_is_written():
    agent, gateway = GOOD.split("---\n")[1], GATEWAY
    assert loads(f"# a comment\n{agent}---\n{gateway}").digest == loads(GOOD).digest, "a comment would restart nothing"
    assert loads(GOOD.replace("deadMan: 30s", "deadMan: 31s")).digest != loads(GOOD).digest, "a change would be missed"


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(SettingsError, match=r"a.yaml:2: This is not UTF-8. Save the file as UTF-8."):
        parse(Source((("a.yaml", b"a: 1\nb: \xff"),)))
    assert parse(Source((("a.yaml", b"\xef\xbb\xbf" + GOOD.encode()),))).digest == loads(GOOD).digest, (
        "a BOM is harmless"
    )


def test_a_path_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="cannot be read: No such file") as refused:
        load(tmp_path / "none.yaml")
    assert (refused.value.code, refused.value.http_status, refused.value.retryable) == ("invalid-settings", 422, False)


def test_a_directory_is_read_as_one(tmp_path):
    gateway, agent = GOOD.split("---\n")
    (tmp_path / "b.yml").write_text(gateway)
    (tmp_path / "a.yaml").write_text(agent)
    assert load(tmp_path).digest == loads(GOOD).digest


TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["edge", "5%", "2m", "envoy"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def _refusals(content):
    try:
        parse(Source((("a.yaml", content),)))
    except SettingsError as error:
        return error.problems
    return ()


def _loads_or_refuses(content):
    for problem in _refusals(content):
        assert problem.message
        assert "\n" not in str(problem), "a problem is one line"


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_settings_or_a_settings_error(content):
    _loads_or_refuses(content)


@given(st.data())
def test_any_value_in_any_field_is_settings_or_a_settings_error(data):
    documents = list(yaml.safe_load_all(GOOD))
    node = documents[data.draw(st.integers(0, 1))]
    while isinstance(inner := node[key := data.draw(st.sampled_from(list(node)))], dict) and data.draw(st.booleans()):
        node = inner
    node[key] = data.draw(TREES)
    _loads_or_refuses(yaml.safe_dump_all(documents).encode())


@given(st.integers(0, 2**32))
def test_a_file_with_damage_is_settings_or_a_settings_error(seed):
    chance = random.Random(seed)
    content = bytearray(GOOD.encode())
    for _ in range(chance.randint(1, 8)):
        content[chance.randrange(len(content))] = chance.choice(b"{}[]&*!|>'\"%@`:-#,? \n\t\x00\xff")
    _loads_or_refuses(bytes(content))
