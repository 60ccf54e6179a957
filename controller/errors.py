"""The root of our error types. Every error says what, where and what to do, and carries its manners with it."""

from __future__ import annotations

from typing import ClassVar


class TurnoutError(Exception):
    """Something that a user can understand and act upon.

    Attributes:
        code: one word (kebab-case) that programs can match on; never changes once released.
        retryable: whether the same call may succeed later without anything else being changed.
        http_status: what the API answers (RFC 9457).
        remedy: what to do about it, in one sentence; may be empty.
    """

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False
    http_status: ClassVar[int] = 500

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class InvalidError(TurnoutError):
    """The input cannot be meant: a bad field, a bad value, an impossible combination."""

    code = "invalid"
    http_status = 422


class NotFoundError(TurnoutError):
    """No such agent, gateway, proposal or rollout."""

    code = "not-found"
    http_status = 404


class ConflictError(TurnoutError):
    """The world has moved on: what was asked does not fit the present state."""

    code = "conflict"
    http_status = 409


class DeniedError(TurnoutError):
    """The caller is known, and may not do this."""

    code = "denied"
    http_status = 403


class UnavailableError(TurnoutError):
    """It cannot be done now: a disk is full, an inbox is full, the controller is stopping."""

    code = "unavailable"
    retryable = True
    http_status = 503
