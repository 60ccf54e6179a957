from __future__ import annotations

import inspect

import pytest
from pydantic import TypeAdapter

from controller.rollout import events
from controller.rollout.state import Phase
from tests.unit.controller.rollout.playbook import play_to
from tests.unit.controller.rollout.test_machine import samples


def concrete() -> set[type]:
    kinds = {kind for _, kind in inspect.getmembers(events, inspect.isclass) if issubclass(kind, events.Event)}
    return kinds - {events.Event, events.OperatorEvent}


def test_no_event_is_forgotten_in_the_list_that_the_table_is_made_of():
    assert set(events.EVENTS) == concrete()


@pytest.mark.parametrize("kind", events.EVENTS)
def test_an_event_survives_the_journal(kind):
    adapter = TypeAdapter(kind)
    for event in samples(play_to(Phase.ROLLING_BACK))[kind]:
        assert adapter.validate_json(adapter.dump_json(event)) == event


def test_what_a_person_asks_for_reads_as_a_sentence():
    verbs = [kind.verb for kind in events.EVENTS if issubclass(kind, events.OperatorEvent)]
    assert len(set(verbs)) == len(verbs), "two commands that an operator cannot tell apart in a refusal"
    assert all(verb and verb == verb.lower() for verb in verbs)
