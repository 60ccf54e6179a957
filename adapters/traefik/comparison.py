"""What Traefik's API shows of a part, against what was written. Pure; what it shows may be anything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .translation import Part

UNCOMPARED = frozenset({"healthCheck"})
"""Shown in another spelling than it was written, with defaults added; no split depends on it."""

WORDS_MAX = 500
"""Characters that are kept of what Traefik says is wrong."""


def difference(written: Part, shown: object) -> str:
    """What of ``written`` is not in ``shown``, in a few words; empty when all of it is. Traefik may add to it."""
    return _difference(written, shown, "")


def trouble(shown: object) -> str:
    """Why Traefik does not use this part, in its own words; empty when it does."""
    if not isinstance(shown, Mapping) or shown.get("status") != "disabled":
        return ""
    return words(shown) or "it is disabled"


def words(shown: Mapping[str, Any]) -> str:
    """What Traefik minds about a part that it may use nevertheless; empty for nothing."""
    told = shown.get("error")
    return "; ".join(str(each) for each in told)[:WORDS_MAX] if isinstance(told, list) else ""


def _difference(written: object, shown: object, at: str) -> str:
    if isinstance(written, Mapping):
        if not isinstance(shown, Mapping):
            return f"{at or 'it'} is not there"
        found = (
            _difference(value, shown.get(key), f"{at}.{key}" if at else str(key))
            for key, value in written.items()
            if key not in UNCOMPARED
        )
        return next((each for each in found if each), "")
    if isinstance(written, list):
        if not isinstance(shown, list) or len(shown) != len(written):
            return f"{at} has not {len(written)} entries"
        found = (_difference(*pair, f"{at}[{index}]") for index, pair in enumerate(zip(written, shown, strict=True)))
        return next((each for each in found if each), "")
    if _is_same(written, shown):
        return ""
    return f"{at} is {_short(shown)}, not {_short(written)}"


def _is_same(written: object, shown: object) -> bool:
    """Traefik shows some references with the provider that they were found at: ``name@file``."""
    if type(written) is not type(shown):
        return False
    return written == shown or (isinstance(shown, str) and shown.rpartition("@")[0] == written != "")


def _short(value: object) -> str:
    text = "missing" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
