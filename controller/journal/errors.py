"""What can be wrong with a journal, each with its own code and with what to do about it."""

from __future__ import annotations

from controller.errors import TurnoutError


class JournalError(TurnoutError):
    """The journal could not be read or written. A rollback goes on without it (see `Journal.defer`)."""

    code = "journal-unavailable"
    retryable = True
    http_status = 503


class JournalMissingError(JournalError):
    """There is no journal at this path, and a reader does not make one."""

    code = "journal-missing"
    retryable = False
    http_status = 404


class JournalFullError(JournalError):
    """No room: nothing of this append was kept, the chain is whole, and the same append works once there is room."""

    code = "journal-full"
    http_status = 507


class JournalReadOnlyError(JournalError):
    """The file or its directory cannot be written by this user."""

    code = "journal-read-only"
    retryable = False


class JournalBusyError(JournalError):
    """Another controller (or another program) holds the journal."""

    code = "journal-busy"


class JournalDamagedError(JournalError):
    """Not a journal, or one with broken pages: truncated, or overwritten by something else."""

    code = "journal-damaged"
    retryable = False
    http_status = 500


class JournalTooNewError(JournalError):
    """Written by a newer Turnout than this one."""

    code = "journal-too-new"
    retryable = False
    http_status = 500


class JournalAlteredError(JournalError):
    """A record is not what was written.

    Attributes:
        seq: the first record that does not fit.
        why: what does not fit, without the record's number.
    """

    code = "journal-altered"
    retryable = False
    http_status = 500

    def __init__(self, seq: int, why: str) -> None:
        super().__init__(
            f"Record {seq} of the journal is not as it was written: {why}.",
            remedy="Keep the file for an inquiry; restore the state directory from a backup, or begin an empty one.",
        )
        self.seq = seq
        self.why = why
