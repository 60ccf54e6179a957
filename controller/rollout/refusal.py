"""What an operator hears when a command does not fit."""

from __future__ import annotations

from controller.errors import ConflictError


class Refusal(ConflictError):  # noqa: N818 - not our error: an answer to the operator
    """The event does not fit the state. Nothing has changed."""

    code = "refused"


class Outdated(Refusal):
    """The operator decided on what was so before somebody else changed it. Nothing has changed by this."""

    code = "outdated"
    http_status = 412
