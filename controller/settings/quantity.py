"""Durations and percentages: how they are written, and how they are kept (seconds, basis points, ratios from 0 to 1).

All arithmetic is exact (Decimal), so that ``33.33`` percent is 3,333 basis points, and what is read back is what was
written. pydantic meets these types as annotations: ``hold_s: Annotated[float, duration("100ms", "30d")]``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from controller.settings.problem import LIMITS_KEY, RefusedError

_UNITS_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
_DURATION = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)")
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,9})?) ?%")
_PERCENT_PLACES_MAX = 6


def parse_duration(text: object) -> float:
    """Seconds from ``500ms``, ``2s``, ``1.5m``, ``1h``, ``7d``; whole milliseconds. Raises :class:`RefusedError`."""
    found = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise RefusedError(
            text, "is not a duration", "Write a number and a unit (ms, s, m, h, d), such as 500ms, 2s or 1h."
        )
    milliseconds = Decimal(found[1]) * _UNITS_MS[found[2]]
    if milliseconds % 1:
        raise RefusedError(text, "is finer than a millisecond", "Use whole milliseconds.")
    return int(milliseconds) / 1000


def format_duration(seconds: float) -> str:
    """The shortest exact way to write a duration: ``120.0`` is ``2m``. Finer than a millisecond is rounded."""
    milliseconds = round(seconds * 1000)
    unit, size = next((unit, size) for unit, size in _UNITS_MS.items() if milliseconds % size == 0)
    return f"{milliseconds // size}{unit}" if milliseconds else "0s"


def parse_weight(value: object) -> int:
    """Basis points from percent with up to two decimals: ``0.5``, ``"10%"``. Raises :class:`RefusedError`."""
    percent = _percent(value) if isinstance(value, str) else _number(value)
    if percent is None:
        raise RefusedError(value, "is not a percentage", "Use a number from 0 to 100.")
    if percent > 100:
        raise RefusedError(value, "is more than 100 %", "Use a number from 0 to 100.")
    if percent < 0:
        raise RefusedError(value, "is less than 0 %", "Use a number from 0 to 100.")
    basis_points = percent * 100
    if basis_points % 1:
        raise RefusedError(value, "has more than two decimals", "Gateways divide traffic in steps of 0.01 %.")
    return int(basis_points)


def format_weight(basis_points: int) -> int | float:
    """A number of percent, as it stands in YAML: 1,050 basis points are ``10.5``."""
    return basis_points // 100 if basis_points % 100 == 0 else float(Decimal(basis_points) / 100)


def parse_ratio(text: object) -> float:
    """A ratio from 0 to 1 from a percentage with its sign: ``5%`` is 0.05. Raises :class:`RefusedError`."""
    percent = _percent(text) if isinstance(text, str) else None
    if percent is None:
        remedy = f"Write it with its sign, such as {_plain(text)}%." if _number(text) is not None else "Write 5%."
        raise RefusedError(text, "is not a percentage", remedy)
    if percent > 100:
        raise RefusedError(text, "is more than 100 %", "Use a percentage from 0% to 100%.")
    if percent != round(percent, _PERCENT_PLACES_MAX):
        raise RefusedError(text, f"has more than {_PERCENT_PLACES_MAX} decimals", "Round it.")
    return float(percent / 100)


def format_ratio(value: float) -> str:
    """A percentage with its sign: 0.05 is ``5%``."""
    percent = round(Decimal(repr(value)) * 100, _PERCENT_PLACES_MAX).normalize()
    return f"{percent:f}%"


def _plain(value: object) -> str:
    """A number as a person writes it, without a trailing ``.0``."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def _percent(text: str) -> Decimal | None:
    found = _PERCENT.fullmatch(text)
    return Decimal(found[1]) if found else None


def _number(value: object) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = Decimal(repr(value))
    except InvalidOperation:  # an int of thousands of digits
        return None
    return number if number.is_finite() else None


@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """How pydantic reads, writes and describes one kind of quantity; stands in ``Annotated``.

    Attributes:
        read: the kept value from the written one; raises :class:`RefusedError`.
        write: the written form of a kept value.
        schema: the written form as JSON schema.
        limits: the unit and the range, for people.
    """

    read: Callable[[object], Any]
    write: Callable[[Any], str | float]
    schema: JsonSchemaValue
    limits: str

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        serialization = core_schema.plain_serializer_function_ser_schema(self.write)
        return core_schema.no_info_plain_validator_function(self.read, serialization=serialization)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**self.schema, LIMITS_KEY: self.limits}


def duration(least: str, most: str) -> Quantity:
    """A duration between two others, kept in seconds."""
    limits = f"a duration from {least} to {most}"

    def read(value: object) -> float:
        seconds = parse_duration(value)
        if seconds < parse_duration(least):
            raise RefusedError(value, f"is shorter than {least}", f"Use {limits}.")
        if seconds > parse_duration(most):
            raise RefusedError(value, f"is longer than {most}", f"Use {limits}.")
        return seconds

    return Quantity(read, format_duration, {"type": "string", "pattern": f"^{_DURATION.pattern}$"}, limits)


def weight(least: str = "0.01") -> Quantity:
    """A share of traffic: percent with up to two decimals, kept in basis points."""

    def read(value: object) -> int:
        basis_points = parse_weight(value)
        if basis_points < Decimal(least) * 100:
            raise RefusedError(value, "gives the candidate no request to be judged by", f"Use at least {least}.")
        return basis_points

    number = {"type": "number", "minimum": float(least), "maximum": 100}
    schema = {"anyOf": [number, {"type": "string", "pattern": f"^{_PERCENT.pattern}$"}]}
    return Quantity(read, format_weight, schema, f"percent from {least} to 100, up to two decimals")


def ratio(least: str, most: str) -> Quantity:
    """A percentage between two others, kept as a ratio from 0 to 1."""
    limits = f"a percentage from {least} to {most}"

    def read(value: object) -> float:
        found = parse_ratio(value)
        if found < parse_ratio(least):
            raise RefusedError(value, f"is less than {least}", f"Use {limits}.")
        if found > parse_ratio(most):
            raise RefusedError(value, f"is more than {most}", f"Use {limits}.")
        return found

    return Quantity(read, format_ratio, {"type": "string", "pattern": f"^{_PERCENT.pattern}$"}, limits)
