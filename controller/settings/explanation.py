"""What pydantic found, in words that a person can act upon: each error type has its sentence and its remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from controller.settings.document import Document
from controller.settings.problem import FieldPath, Problem, RefusedError, shown
from controller.settings.shape import Shape, fields, shape_within

_WANTED = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "tuple_type": "a list",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "dict_type": "a mapping",
}
_EXAMPLES = {
    "a list": "Write it as [a, b], or one item per line after a dash.",
    "a mapping": "Write it as {field: value}.",
}


def explain(error: ValidationError, document: Document, shape: type[Shape], *, secret: bool) -> Iterator[Problem]:
    """Each fault of one document. With ``secret``, no value is repeated: it may be a token in the wrong place."""
    for detail in error.errors(include_url=False):
        path: FieldPath = detail["loc"]
        kind = detail["type"]
        if kind == "missing":
            yield document.problem(path, "is missing.", "Add it.")
        elif kind == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]:
            continue  # pydantic counts only the entries without a fault, and those have been told
        elif kind == "extra_forbidden":
            yield document.problem(path, "is not a field.", _other_field(path, shape))
        else:
            yield _refused_value(detail, document, path, secret=secret)


def _refused_value(detail: ErrorDetails, document: Document, path: FieldPath, *, secret: bool) -> Problem:
    while path not in document.lines:  # a short form, such as `indicator: error`, has no line for its inner field
        path = path[:-1]
    if detail["input"] is None:
        return document.problem(path, "is empty.", "Give it a value, or remove the line.")
    refused = detail.get("ctx", {}).get("error")
    if isinstance(refused, RefusedError):
        path = (*path, *refused.at)
        subject = (
            "" if refused.value is None else f"{'The value' if secret else _as_written(document, path, refused.value)} "
        )
        return document.problem(path, f"{subject}{refused.predicate}.", refused.remedy)
    value = "The value" if secret else _as_written(document, path, detail["input"])
    message, remedy = _sentence(detail, document.texts.get(path, ""), value)
    return document.problem(path, message, remedy)


def _sentence(detail: ErrorDetails, text: str, value: str) -> tuple[str, str]:
    context = detail.get("ctx", {})
    match detail["type"]:
        case "string_type" if isinstance(detail["input"], bool | int | float):
            return f"{value} is not text.", f'Put it in quotes: "{text}".' if text in value else "Put it in quotes."
        case kind if kind in _WANTED:
            wanted = _WANTED[kind]
            return f"{value} is not {wanted}.", _EXAMPLES.get(wanted, f"Use {wanted}.")
        case "literal_error":
            return f"{value} is not one of {context['expected']}.", "Use one of them."
        case "too_long":
            return f"has more than {context['max_length']} entries.", "Leave some out."
        case "too_short":
            return "has too few entries.", f"Give at least {context['min_length']}."
        case "string_too_long":
            return f"{value} is longer than {context['max_length']} characters.", "Shorten it."
        case "string_too_short":
            return "is empty text.", "Give it a value, or remove the line."
        case "string_pattern_mismatch":
            return f"{value} has characters that are not allowed here.", "Use letters, digits and . _ - only."
        case "greater_than_equal":
            return f"{value} is less than {context['ge']}.", f"Use at least {context['ge']}."
        case "less_than_equal":
            return f"{value} is more than {context['le']}.", f"Use at most {context['le']}."
        case _:
            return f"{value} is refused: {detail['msg']}.", "See docs/settings.md."


def _as_written(document: Document, path: FieldPath, value: object) -> str:
    if isinstance(value, dict):
        return "A mapping"
    if isinstance(value, tuple):
        return "A list"
    return shown(value) if isinstance(value, str) else shown(document.texts.get(path, value)).strip("'")


def _other_field(path: FieldPath, shape: type[Shape]) -> str:
    """What the operator may have meant: a near name at this place, the same name elsewhere, or any that there is."""
    name = str(path[-1])
    here: type[Shape] | None = shape
    for part in path[:-1]:
        if here is not None and isinstance(part, str):
            here = shape_within(fields(here)[part]) if part in fields(here) else None
    known = list(fields(here)) if here else []
    plain = {other.lower(): other for other in known}
    if near := difflib.get_close_matches(name.lower().replace("_", "").replace("-", ""), plain, n=1):
        return f"Did you mean {plain[near[0]]}?"
    if elsewhere := next((place for place in _places(shape, ()) if place[-1] == name), None):
        return f"It belongs in {'.'.join(elsewhere[:-1])}."
    return f"There are: {', '.join(known)}." if known else "Remove it."


def _places(shape: type[Shape], path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, field in fields(shape).items():
        yield (*path, name)
        if inner := shape_within(field):
            yield from _places(inner, (*path, name))
