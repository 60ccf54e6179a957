"""What can be wrong with a request itself, before anybody is asked to do something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from controller.errors import DeniedError, InvalidError, TurnoutError, UnavailableError


class BadRequestError(TurnoutError):
    """The request is not well formed: no JSON, or a header that cannot be read."""

    code = "bad-request"
    http_status = 400


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field. ``field`` is a path such as ``endpoints[0]``; empty for the whole."""

    field: str
    message: str


class InputError(InvalidError):
    """Fields of the body or of the query are missing, unknown, or cannot be meant.

    Attributes:
        faults: one per field; never empty.
    """

    code = "invalid-input"

    def __init__(self, faults: Sequence[Fault]) -> None:
        assert faults, "input is not refused without a reason"
        super().__init__("; ".join(f"{fault.field}: {fault.message}".removeprefix(": ") for fault in faults))
        self.faults = tuple(faults)


class UnauthenticatedError(TurnoutError):
    """No token, or one that nobody holds. Which of the two is not said."""

    code = "unauthenticated"
    http_status = 401


class ForeignError(DeniedError):
    """The request comes from a page of another site, or names another host than this one."""

    code = "foreign-origin"


class MethodError(TurnoutError):
    """The path is known, and does not take this method.

    Attributes:
        allowed: the methods that it takes.
    """

    code = "method-not-allowed"
    http_status = 405

    def __init__(self, method: str, path: str, allowed: Sequence[str]) -> None:
        self.allowed = tuple(sorted(allowed))
        super().__init__(f"{path} does not take {method}.", remedy=f"Use {' or '.join(self.allowed)}.")


class TooLargeError(TurnoutError):
    """The body has more bytes than anything that can be asked for needs."""

    code = "too-large"
    http_status = 413


class MediaTypeError(TurnoutError):
    """The body is not JSON. A browser's form cannot send JSON to another site without asking first."""

    code = "unsupported-media-type"
    http_status = 415


class KeyReusedError(InvalidError):
    """An Idempotency-Key came back with another proposal than the one that it came with first."""

    code = "idempotency-key-reused"


class BusyError(UnavailableError):
    """Too many requests of this kind are being answered already."""

    code = "busy"


class NotReadyError(UnavailableError):
    """The controller is not ready: it starts, stops, or waits for its disk."""

    code = "not-ready"


class LateError(TurnoutError):
    """No answer in time. Whether what was asked for still happens is to be looked up."""

    code = "timeout"
    retryable = True
    http_status = 504


class ExposedError(InvalidError):
    """Without tokens the API would be open to whoever reaches this address."""

    code = "exposed"


@dataclass(frozen=True, slots=True)
class Missed:
    """What happened to an agent since somebody looked.

    Attributes:
        change: the number of changes now.
        entries: the journal's transitions since, oldest first.
        complete: whether these are all of them.
    """

    change: int
    entries: Sequence[Mapping[str, object]] = field(default_factory=tuple)
    complete: bool = True


class ChangedError(TurnoutError):
    """The agent has changed since the asker looked (``If-Match``). Nothing was done.

    Attributes:
        missed: what happened in between.
    """

    code = "outdated"
    http_status = 412

    def __init__(self, message: str, missed: Missed, *, remedy: str) -> None:
        super().__init__(message, remedy=remedy)
        self.missed = missed
