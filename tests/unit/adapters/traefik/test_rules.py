import json
import re

import pytest

from adapters.port import HeaderMatch, Route
from adapters.traefik.rules import priorities, rules_of


def texts(**route):
    return [rule.text for rule in rules_of(Route(**route))]


def test_a_route_without_limits_takes_everything():
    assert texts() == ['PathPrefix("/")']


def test_a_prefix_ends_at_a_separator():
    assert texts(path_prefix="/v1") == ['(Path("/v1") || PathPrefix("/v1/"))'], "/v10 would be taken for /v1"


def test_each_host_has_a_rule_of_its_own():
    assert texts(hosts=("a.test", "*.b.test", "*")) == [
        'Host("a.test") && PathPrefix("/")',
        r'HostRegexp("^.+\\.b\\.test$") && PathPrefix("/")',
        'PathPrefix("/")',
    ]


@pytest.mark.parametrize("value", ['v"', "v`", "v\\", 'x") || PathPrefix("/'])
def test_what_an_operator_writes_ends_no_string(value):
    (text,) = texts(headers=(HeaderMatch("x-plan", value),))
    strings = [json.loads(string) for string in re.findall(r'"(?:[^"\\]|\\.)*"', text)]
    assert strings == ["/", "x-plan", value], "a header's value would become a rule"


def ranked(*routes):
    rules = {str(at): rule for at, route in enumerate(routes) for rule in rules_of(route)}
    given = priorities(rules)
    return sorted(rules, key=lambda name: -given[name]), given, rules


def test_the_more_specific_of_two_goes_first_however_long_its_rule():
    order, given, rules = ranked(
        Route(path_prefix="/a-very-long-prefix-that-makes-a-long-rule/of/many/parts"),
        Route(hosts=("*.test",), path_prefix="/a-long-prefix-that-makes-a-long-rule"),
        Route(hosts=("b.test",)),
        Route(hosts=("b.test",), path_prefix="/v1"),
        Route(hosts=("b.test",), path_prefix="/v1", headers=(HeaderMatch("a", "b"),)),
    )
    assert order == ["4", "3", "2", "1", "0"], "requests would reach another agent than the settings say"
    assert all(given[name] >= len(rule.text) for name, rule in rules.items())


def test_a_single_rule_has_traefiks_own_priority():
    _, given, rules = ranked(Route(hosts=("b.test",), path_prefix="/v1"))
    assert given["0"] == len(rules["0"].text), "somebody else's more specific router would lose its turn"


def test_rules_that_are_equally_specific_do_not_climb_over_each_other():
    _, given, _ = ranked(*(Route(hosts=(f"{letter}.test",)) for letter in "abcdef"))
    assert len(set(given.values())) == 1
