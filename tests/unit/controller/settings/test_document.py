import pytest

from controller.settings import document
from controller.settings.document import read_documents

EMPTY = "Remove the file if that is meant; an agent is not removed by an empty file."


def one(text):
    documents, problems = read_documents("a.yaml", text)
    assert problems == [], "good YAML was refused"
    return documents[0]


def faults(text):
    return [str(problem) for problem in read_documents("a.yaml", text)[1]]


def test_plain_values_follow_yaml_1_2():
    read = one(
        "{a: yes, b: 1:30, c: 2024-01-01, d: true, e: ~, f: 1.20, g: 07, h: '1', i: -2, j: .inf, k: 0x1f, l: 1e3}"
    ).value
    assert read == {
        "a": "yes", "b": "1:30", "c": "2024-01-01", "d": True, "e": None, "f": 1.2, "g": 7, "h": "1", "i": -2,
        "j": ".inf", "k": "0x1f", "l": 1000.0,
    }, "YAML 1.1 would make something else of what the operator wrote"  # fmt: skip


def test_each_field_knows_its_line_and_how_it_was_written():
    read = one("# a comment\na:\n  - b: 1.20\n  - c\n")
    assert read.line_of(("a", 0, "b")) == 3
    assert read.line_of(("a", 1)) == 4
    assert read.line_of(("a", 1, "nowhere")) == 4, "a missing field is told at the nearest line around it"
    assert read.texts["a", 0, "b"] == "1.20"


def test_documents_are_separate_and_empty_ones_are_left_out():
    documents, problems = read_documents("a.yaml", "---\n---\na: 1\n---\n# nothing\n---\nb: 2\n")
    assert ([each.value for each in documents], problems) == ([{"a": 1}, {"b": 2}], [])


def test_aliases_stand_for_what_they_name():
    assert one("a: &x [1, 2]\nb: *x\n").value == {"a": (1, 2), "b": (1, 2)}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\na: 2", "a.yaml:2: 'a' stands here twice, first in line 1. Remove one of them."),
        ("a:\n\t- b", "a.yaml:2: A tab stands where YAML wants spaces. Indent with spaces."),
        ("a: !!int 1", "a.yaml:1: The tag 'tag:yaml.org,2002:int' means nothing here. Remove it; quote text."),
        ("a: *b", "a.yaml:1: Nothing is anchored as &b above. Write the value out."),
        ("a: &b [*b]", "a.yaml:1: Nothing is anchored as &b above. Write the value out."),
        ("[1]: 2", "a.yaml:1: A list or mapping stands where a field's name is expected. Use a plain name."),
        ("[" * 40 + "]" * 40, "a.yaml:1: The nesting is deeper than 16. No setting stands so deep: check the braces."),
        ("# x", f"a.yaml: The file holds no document. {EMPTY}"),
        ("a: \x07", "a.yaml: The file holds control characters. Save it as plain text in UTF-8."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(text, fault):
    assert faults(text) == [fault]


def test_broken_syntax_names_its_line_and_keeps_the_documents_before():
    documents, problems = read_documents("a.yaml", "a: 1\n---\nb: [1,\n")
    assert [each.value for each in documents] == [{"a": 1}]
    assert str(problems[0]).startswith("a.yaml:"), problems
    assert "This is not YAML: " in problems[0].message


def test_an_alias_bomb_ends_at_the_limit_and_not_at_the_memory():
    layers = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10))
    assert "more than 100,000 values" in faults(f"a0: &a0 [x]\n{layers}")[0]


def test_aliases_cannot_nest_deeper_than_text(monkeypatch):
    layers = "\n".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 30))
    assert "nesting is deeper" in faults(f"a0: &a0 [x]\n{layers}")[0]
    monkeypatch.setattr(document, "DEPTH_MAX", 40)
    assert faults(f"a0: &a0 [x]\n{layers}") == []
