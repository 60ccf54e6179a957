from __future__ import annotations

import inspect

import pytest

from controller.api import errors
from controller.api.errors import InputError, MethodError
from controller.errors import TurnoutError

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, TurnoutError)]


def test_every_error_of_a_request_is_the_askers_or_a_refusal_for_now():
    for kind in KINDS:
        if kind.__module__ == errors.__name__:
            assert 400 <= kind.http_status < 500 or kind.retryable, f"{kind.__name__} blames us, and offers no retry"


def test_a_refused_input_has_a_reason():
    with pytest.raises(AssertionError, match="without a reason"):
        InputError([])


def test_the_methods_that_are_taken_are_named():
    assert MethodError("PATCH", "/x", ["PUT", "GET"]).remedy == "Use GET or PUT."
