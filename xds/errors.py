"""What can go wrong between the controller and a subscriber, in the terms of whoever has to mend it."""

from typing import ClassVar


class XdsError(Exception):
    """Root of this package's errors.

    `code` is stable and meant for programs, `retryable` says whether the same call may succeed later, and
    `http_status` is what an HTTP API answers when the error reaches it.
    """

    code: ClassVar[str] = "xds-error"
    retryable: ClassVar[bool] = False
    http_status: ClassVar[int] = 500


class ResourceError(XdsError):
    """A value that cannot become a resource: nothing was built, what is served goes on."""

    code = "xds-bad-resource"
    http_status = 422


class SnapshotError(XdsError):
    """A snapshot that refers to what it does not hold: it was refused whole, what is served goes on."""

    code = "xds-inconsistent-snapshot"
    http_status = 422


class ListenError(XdsError):
    """The server's address cannot be listened on."""

    code = "xds-cannot-listen"
    retryable = True
    http_status = 503


class MalformedRequestError(XdsError):
    """A subscriber sent bytes that are not the protocol; its stream is closed, the others are not touched."""

    code = "xds-malformed-request"
    http_status = 400


class AnswerTooLargeError(XdsError):
    """Somebody asked for more than one answer may hold: nothing is sent, and it says how to ask for less."""

    code = "xds-answer-too-large"
    http_status = 413
