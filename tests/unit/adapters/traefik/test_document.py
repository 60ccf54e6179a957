import yaml
from hypothesis import given
from hypothesis import strategies as st

from adapters.port import Assignment, Route, Version
from adapters.traefik.document import compose, generation_in, stamp_in, stamp_name, stamp_part, without_templates
from adapters.traefik.translation import translate

OLD = Version("1.0", ("10.0.0.1:3000",))


def agents(*names, **more):
    return {name: translate(Assignment(name, Route((f"{name}.test",)), OLD, **more)) for name in names}


def test_all_agents_are_in_one_document():
    document = compose("edge", agents("a", "b", retries=1), "0a")
    text = document.text("ours")
    assert text.startswith("# ours\n")
    http = yaml.safe_load(text)["http"]
    assert list(http["services"]) == ["turnout.a", "turnout.a.1.0", "turnout.b", "turnout.b.1.0"]
    assert http["routers"]["turnout.a"]["rule"] == 'Host("a.test") && PathPrefix("/")'
    assert set(http["middlewares"]) == {"turnout.a", "turnout.b", "turnout.~edge"}
    assert "serversTransports" not in http, "Traefik refuses nothing so easily as an empty section"


def test_an_agents_own_service_is_looked_at_first():
    parts = [(section, name) for section, name, _ in compose("edge", agents("a", "b"), "0a").parts("b")]
    assert parts == [("services", "turnout.b"), ("services", "turnout.b.1.0"), ("routers", "turnout.b")]
    assert list(compose("edge", {}, "0a").parts("nobody")) == []


def test_a_stamp_tells_documents_apart_and_only_them():
    one, other = compose("edge", agents("a"), "0a"), compose("edge", agents("a", retries=1), "0a")
    assert one.stamp != other.stamp
    assert one.stamp != compose("edge", agents("a"), "0b").stamp, "an old document would be taken for the new one"
    assert one == compose("edge", agents("a"), generation_in(one.text("ours"))), "a restart would write it again"
    assert generation_in("X-Turnout-Document: else") == ""
    assert stamp_in(one.http["middlewares"][stamp_name("edge")]) == one.stamp
    assert stamp_in(stamp_part("x")) == "x"


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.dictionaries(st.text(), inner)))
def test_a_stamp_is_looked_for_in_anything(shown):
    assert stamp_in(shown) == ""
    assert stamp_in({"headers": shown}) == ""


def test_a_document_without_agents_is_still_one():
    assert yaml.safe_load(compose("edge", {}, "0a").text("ours"))["http"]["middlewares"].keys() == {"turnout.~edge"}


def test_nothing_is_taken_for_a_template():
    assert without_templates('a: "{{ env }}"') == 'a: "{{"{{"}} env }}"', "an environment variable would be told"
