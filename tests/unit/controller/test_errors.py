import inspect

import pytest

from controller import errors
from controller.errors import TurnoutError, UnavailableError

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, TurnoutError)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_carries_its_manners(kind):
    error = kind("what and where.")
    assert error.code == error.code.lower().replace(" ", "-"), "programs match on it"
    assert 400 <= error.http_status < 600
    assert isinstance(error.retryable, bool)
    assert kind.__doc__


def test_codes_are_unique():
    assert len({kind.code for kind in KINDS}) == len(KINDS), "a program could not tell two errors apart"


def test_it_says_what_to_do():
    error = UnavailableError("The disk is full.", remedy="Make room.")
    assert str(error) == "The disk is full. Make room."
    assert (error.message, error.remedy) == ("The disk is full.", "Make room.")
    assert error.retryable


def test_without_a_remedy_it_ends_where_it_ends():
    assert str(TurnoutError("No such thing.")) == "No such thing."
