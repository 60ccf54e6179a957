"""What settings are in force, and why newer ones are not."""

from __future__ import annotations

from typing import Any

from .operation import Call, Operation
from .shape import Nothing, Told


class SettingsTold(Told):
    """The settings that are in force."""

    digest: str
    """Of what they mean; comments and order change nothing."""
    refused: list[str]
    """Why the files, as they are now, are not in force: file, line, field, fault and remedy. Empty when they are."""


async def _tell(call: Call, _: Nothing) -> SettingsTold:
    standing = call.context.settings()
    return SettingsTold(digest=standing.digest, refused=list(standing.refused))


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="GET",
        path="/v1/settings",
        name="settings",
        summary="Which settings are in force, and why newer ones are not",
        handle=_tell,
        asks=Nothing,
        told=SettingsTold,
    ),
)
