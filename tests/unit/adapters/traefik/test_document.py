import yaml
from hypothesis import given
from hypothesis import strategies as st

from adapters.port import Assignment, HeaderMatch, Route, Version
from adapters.traefik.document import (
    NOBODY,
    Document,
    compose,
    sorted_out,
    stamp_in,
    stamp_in_text,
    stamp_name,
    stamp_part,
    with_templates,
    without_templates,
)
from adapters.traefik.translation import translate

OLD = Version("1.0", ("10.0.0.1:3000",))


def agents(*names, **more):
    return {name: translate(Assignment(name, Route((f"{name}.test",)), OLD, **more)) for name in names}


def test_all_agents_are_in_one_document():
    text = compose(agents("a", "b", retries=1)).text("ours", "edge", "0a-1")
    assert text.startswith("# ours\n")
    http = yaml.safe_load(text)["http"]
    assert list(http["services"]) == ["turnout.a", "turnout.a.1.0", "turnout.b", "turnout.b.1.0"]
    assert http["routers"]["turnout.a"]["rule"] == 'Host("a.test") && PathPrefix("/")'
    assert set(http["middlewares"]) == {"turnout.a", "turnout.b", "turnout.~edge"}
    assert "serversTransports" not in http, "Traefik refuses nothing so easily as an empty section"


def test_an_agents_own_service_is_looked_at_first():
    parts = [(section, name) for section, name, _ in compose(agents("a", "b")).parts("b")]
    assert parts == [("services", "turnout.b"), ("services", "turnout.b.1.0"), ("routers", "turnout.b")]
    assert list(compose({}).parts("nobody")) == []


def test_a_document_has_a_stamp_that_can_be_found_again():
    text = compose(agents("a")).text("ours", "edge", "0a-1f")
    assert stamp_in_text(text) == "0a-1f", "a restart would write it again"
    assert stamp_in(yaml.safe_load(text)["http"]["middlewares"][stamp_name("edge")]) == "0a-1f"
    assert stamp_in_text("X-Turnout-Document: else") == ""
    assert stamp_in(stamp_part("x")) == "x"


def test_what_was_written_is_sorted_out_again():
    route = Route(("a.test", "*.b.test"), "/v1/\u00e9", (HeaderMatch("x", 'v"i`p {{ "{{" }}'),))
    written = compose({**agents("a", "b", retries=1), "c-d": translate(Assignment("c-d", route, OLD, None))})
    text = without_templates(written.text("ours", "edge", "0a-1"))
    found = sorted_out(yaml.safe_load(with_templates(text))["http"])
    assert found.says_the_same(written), "what nobody has changed would be taken for somebody's edit"
    assert found.agents.keys() == {"a", "b", "c-d"}, "the stamp was taken for somebody's"


def test_what_has_no_name_of_ours_is_nobodys():
    found = sorted_out({"services": {"theirs": {"x": 1}, "turnout.a.1.0": {}}, "routers": None, "middlewares": {1: {}}})
    assert found == Document({NOBODY: {"services": {"theirs": {"x": 1}}, "middlewares": {"1": {}}}, "a": found.of("a")})
    assert yaml.safe_load(found.text("ours", "edge", ""))["http"]["services"].keys() == {"theirs", "turnout.a.1.0"}


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_a_stamp_is_looked_for_in_anything(shown):
    assert stamp_in(shown) == ""
    assert stamp_in({"headers": shown}) == ""


def test_a_document_without_agents_is_still_one():
    http = yaml.safe_load(compose({}).text("ours", "edge", "0a-1"))["http"]
    assert {section: list(named) for section, named in http.items()} == {"middlewares": ["turnout.~edge"]}


def test_nothing_is_taken_for_a_template():
    assert without_templates('a: "{{ env }}"') == 'a: "{{"{{"}} env }}"', "an environment variable would be told"
    assert with_templates(without_templates("{{{{ a }}")) == "{{{{ a }}"
