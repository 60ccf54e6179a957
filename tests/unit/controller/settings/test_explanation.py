import pytest

from controller.settings.loading import loads
from controller.settings.problem import SettingsError


def told(spec):
    with pytest.raises(SettingsError) as refused:
        loads(f"apiVersion: v1\nkind: Agent\nmetadata: {{name: a}}\nspec: {spec}\n", "a.yaml")
    return {problem.field: problem.message for problem in refused.value.problems}


def test_each_kind_of_fault_has_its_sentence():
    stable = "{version: '1', endpoints: ['h:1'], digest: 'ä', http2: 1}"
    route = "{hosts: {a: b}, headers: [" + "{name: a, value: b}, " * 9 + "]}"
    faults = told(f"{{gateways: [1, [], ~], stable: {stable}, route: {route}, gate: [], deadMan: {{}}}}")
    assert faults == {
        "apiVersion": "'v1' is not one of 'turnout.dev/v1alpha1'.",
        "spec.deadMan": "A mapping is not a duration.",
        "spec.gate": "A list is not a mapping.",
        "spec.gateways[0]": "1 is not text.",
        "spec.gateways[1]": "A list is not text.",
        "spec.gateways[2]": "is empty.",
        "spec.route.headers": "has more than 8 entries.",
        "spec.route.hosts": "A mapping is not a list.",
        "spec.stable.digest": "'ä' has characters that are not allowed here.",
        "spec.stable.http2": "1 is not true or false.",
    }


def test_long_and_unprintable_values_stay_on_one_short_line():
    faults = told('{gateways: ["' + "x" * 5000 + '\\n\\e[31m"]}')
    assert all(len(message) < 120 and "\n" not in message for message in faults.values()), "a log could be forged"


@pytest.mark.parametrize(
    ("unknown", "remedy"),
    [
        ("dead_man", "Did you mean deadMan?"),
        ("Stabel", "Did you mean stable?"),
        ("steps", "It belongs in spec.strategy."),
        (
            "zzz",
            (
                "There are: gateways, route, stable, candidate, strategy, objectives, analysis, gate, drain, deadMan, "
                "onDrift."
            ),
        ),
    ],
)
def test_an_unknown_field_is_told_where_to_go(unknown, remedy):
    with pytest.raises(SettingsError) as refused:
        loads(f"kind: Agent\nspec: {{{unknown}: 1}}")
    assert remedy in {problem.remedy for problem in refused.value.problems}
