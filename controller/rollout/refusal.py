"""What an operator hears when a command does not fit."""

from __future__ import annotations

from controller.errors import ConflictError


class Refusal(ConflictError):  # noqa: N818 - not our error: an answer to the operator
    """The event does not fit the state. Nothing has changed."""

    code = "refused"
