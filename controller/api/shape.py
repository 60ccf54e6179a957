"""What every body and query has in common, and the kinds of values that stand in them.

A request's schema says exactly what is taken: what it allows is not refused for its form, and what it forbids is.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from adapters.port import Split, Version
from controller.settings.address import check_build, check_name, check_url, parse_endpoint
from controller.settings.problem import RefusedError
from controller.settings.quantity import parse_duration, parse_weight

REASON_CHARS_MAX = 500

_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = f"({_LABEL}\\.){{0,8}}[A-Za-z]([A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?"
_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_IPV4 = f"({_BYTE}\\.){{3}}{_BYTE}"
_H = "[0-9A-Fa-f]{1,4}"
_IPV6 = "|".join(
    [f"({_H}:){{7}}{_H}", f"({_H}:){{1,7}}:", f":(:{_H}){{1,7}}", "::"]
    + [f"({_H}:){{1,{7 - behind}}}(:{_H}){{1,{behind}}}" for behind in range(1, 7)]
)
_PORT = "([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_HOST = f"({_DOMAIN}|{_IPV4}|\\[({_IPV6})\\])"
_DURATION = "[0-9]{1,6}(ms|s|m)|[0-9]{1,4}h|[0-9]{1,2}d"


def _text(pattern: str, chars_max: int, **more: object) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^({pattern})$", "maxLength": chars_max, **more})


def _read_percent(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RefusedError(None, "is not a number", "Use a number from 0 to 100, such as 10 or 0.5.")
    # 57 * 0.01 is 0.5700000000000001 in binary: what a client computed so is still two decimals.
    return parse_weight(round(value, 9) if isinstance(value, float) else value)


def _read_duration(text: object) -> float:
    if not isinstance(text, str) or not re.fullmatch(_DURATION, text):
        raise RefusedError(text, "is not a duration", "Write a number and a unit, such as 500ms, 60s, 5m or 1h.")
    return parse_duration(text)


def _read_whole(text: object) -> object:
    if isinstance(text, str) and not re.fullmatch("[0-9]{1,18}", text):
        raise RefusedError(text, "is not a whole number", "Use digits only.")
    return text


PercentBp = Annotated[
    int,
    BeforeValidator(_read_percent),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 100, "multipleOf": 0.01}),
]
"""Percent with up to two decimals, read as basis points."""

Name = Annotated[str, AfterValidator(check_name), _text("[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", 63)]
Build = Annotated[str, AfterValidator(check_build), _text("[0-9A-Za-z][0-9A-Za-z._+-]{0,127}", 128)]
Endpoint = Annotated[str, AfterValidator(parse_endpoint), _text(f"{_HOST}:{_PORT}", 255)]
Url = Annotated[
    str,
    AfterValidator(check_url),
    _text(f"https?://{_HOST}(:{_PORT})?(/[A-Za-z0-9._~/-]*)?(\\?[A-Za-z0-9._~=&-]*)?", 2048),
]
Digest = Annotated[str, Field(max_length=256, pattern="^[0-9A-Za-z@:./_+-]*$")]
Reason = Annotated[str, Field(max_length=REASON_CHARS_MAX)]
DurationS = Annotated[float, BeforeValidator(_read_duration), _text(_DURATION, 8, examples=["60s"])]


class Asked(BaseModel):
    """A body: no unknown field, no guessing between types."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


DIGITS = BeforeValidator(_read_whole)
"""A whole number in a query is written in digits only. Stands last, so that the limits before it are described."""


class Query(BaseModel):
    """A query: all text, no unknown parameter."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Told(BaseModel):
    """An answer, or a part of one."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Reasoned(Asked):
    """An operator's word on why."""

    reason: Reason = ""
    """Why, for the journal and for whoever comes next."""


class Nothing(Query):
    """No parameter."""


class VersionAsked(Asked):
    """One deployable build of an agent."""

    version: Build
    """The version string."""
    endpoints: Annotated[tuple[Endpoint, ...], Field(min_length=1, max_length=256)]
    """``host:port`` of each instance, an IPv6 address in brackets. At most 256, as in the settings."""
    digest: Digest = ""
    """What identifies the build, such as an image digest."""
    http2: bool = False
    """Whether the instances speak HTTP/2 without TLS."""
    drain_url: Url | None = None
    """Called when the version starts to drain, with ``?deadline_s=``."""

    def as_version(self) -> Version:
        """The value that the core takes."""
        return Version(self.version, self.endpoints, self.digest, self.http2, self.drain_url)


class VersionTold(Told):
    """One deployable build of an agent."""

    version: str
    endpoints: tuple[str, ...]
    digest: str
    http2: bool
    drain_url: str | None

    @classmethod
    def of(cls, version: Version) -> VersionTold:
        """The same, to be told."""
        return cls(
            version=version.name,
            endpoints=version.endpoints,
            digest=version.digest,
            http2=version.http2,
            drain_url=version.drain_url,
        )


class SplitTold(Told):
    """How live traffic is divided, in percent; ``mirror_percent`` of stable's requests are copied to the candidate."""

    stable_percent: float
    candidate_percent: float
    mirror_percent: float

    @classmethod
    def of(cls, split: Split) -> SplitTold:
        """The same, in percent."""
        return cls(
            stable_percent=split.stable_bp / 100,
            candidate_percent=split.candidate_bp / 100,
            mirror_percent=split.mirror_bp / 100,
        )


def utc(at_s: float) -> datetime:
    """A moment, to the millisecond."""
    return datetime.fromtimestamp(round(at_s, 3), UTC)


def seconds_left(at_s: float, now_s: float) -> float:
    """How long until a moment; 0 when it has passed."""
    return round(max(0.0, at_s - now_s), 3)
