import pytest

from controller.errors import TurnoutError
from controller.journal import errors

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.JournalError)]


def test_programs_can_tell_every_kind_apart():
    codes = [kind.code for kind in KINDS]
    assert len(codes) == len(set(codes)) == 8, "two failures with one code need two different remedies"
    assert all(code.startswith("journal-") for code in codes)


@pytest.mark.parametrize("kind", KINDS)
def test_the_runtime_catches_one_type_to_go_on_without_a_journal(kind):
    assert issubclass(kind, errors.JournalError)
    assert issubclass(kind, TurnoutError)


def test_only_what_can_mend_itself_is_retryable():
    assert {kind.code for kind in KINDS if kind.retryable} == {"journal-unavailable", "journal-full", "journal-busy"}


def test_altered_names_the_record_and_a_remedy():
    error = errors.JournalAlteredError(7, "its digest does not match its content")
    assert "Record 7" in str(error)
    assert error.remedy
    assert (error.seq, error.why) == (7, "its digest does not match its content")
