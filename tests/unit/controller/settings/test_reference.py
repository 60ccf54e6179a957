"""Every setting is documented, and docs/settings.md cannot go stale."""

from pathlib import Path

import jsonschema
import pytest
import yaml

from controller.settings.loading import KINDS, load
from controller.settings.reference import settings_schema, tables, with_tables
from controller.settings.shape import fields, shape_within

ROOT = Path(__file__).resolve().parents[4]
PAGE = ROOT / "docs" / "settings.md"
EXAMPLE = ROOT / "gateway-configs" / "envoy" / "turnout.yaml"


def shapes(shape):
    yield shape
    for field in fields(shape).values():
        if inner := shape_within(field):
            yield from shapes(inner)


def test_every_field_is_described():
    bare = {
        f"{s.__name__}.{n}"
        for k in KINDS.values()
        for s in shapes(k)
        for n, f in fields(s).items()
        if not f.description
    }
    assert bare == set(), "a docstring below the field says what it is, its default and the reason"


def test_the_page_shows_what_the_models_say():
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_tables(page), "run: python -m controller.settings.reference docs/settings.md"
    with pytest.raises(ValueError, match="no generated part"):
        with_tables("# Settings\n")


def test_every_field_has_its_row():
    rows = tables()
    for kind in KINDS.values():
        for shape in shapes(kind):
            for name in fields(shape):
                assert f"{name}` |" in rows, f"{shape.__name__}.{name} would be a secret"


def test_the_example_is_taken_by_the_loader_and_by_the_schema():
    settings = load(EXAMPLE)
    assert list(settings.agents) == ["code-assistant"]
    for document in yaml.safe_load_all(EXAMPLE.read_text()):
        jsonschema.validate(document, settings_schema())


def test_the_examples_second_version_can_be_uncommented(tmp_path):
    text = EXAMPLE.read_text().replace("  # candidate:", "  candidate:")
    (tmp_path / "turnout.yaml").write_text(text)
    candidate = load(tmp_path).agents["code-assistant"].candidate_version()
    assert candidate.endpoints == ("127.0.0.1:3001",), "a newcomer's first step would fail"


def test_the_schema_finds_what_an_editor_should_underline():
    jsonschema.Draft202012Validator.check_schema(settings_schema())
    [gateway, agent] = yaml.safe_load_all(EXAMPLE.read_text())
    agent["spec"]["strategy"]["steps"][0]["weight"] = 150
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(agent, settings_schema())
    gateway["spec"]["tpye"] = "envoy"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(gateway, settings_schema())


def test_the_schema_shows_defaults_as_they_are_written():
    strategy = settings_schema()["$defs"]["StrategySpec"]["properties"]
    assert (strategy["bake"]["default"], strategy["keep"]["default"]) == ("10m", "1h")
