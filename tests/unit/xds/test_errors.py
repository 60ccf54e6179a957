import pytest

from xds import errors


@pytest.mark.parametrize(
    "kind", [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
)
def test_an_error_says_what_a_program_has_to_know(kind):
    assert issubclass(kind, errors.XdsError)
    assert kind.code.startswith("xds-")
    assert isinstance(kind.retryable, bool)
    assert 400 <= kind.http_status < 600


def test_codes_are_unique():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len({kind.code for kind in kinds}) == len(kinds)
