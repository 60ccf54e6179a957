"""What every mapping in the YAML has in common: it is frozen, knows no unknown field, and guesses nothing."""

from __future__ import annotations

import re
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from controller.settings.address import Name

API_VERSION = "turnout.dev/v1alpha1"

_UNIT = re.compile(r"_(s|bp|ratio)$")


def yaml_name(field: str) -> str:
    """A field's name in YAML: camel case, and no unit, because the value carries it (``hold_s`` is ``hold: 2m``)."""
    return to_camel(_UNIT.sub("", field))


class Shape(BaseModel):
    """A mapping in the YAML. Sequences are tuples, so that what was loaded never changes."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=yaml_name,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )


class Metadata(Shape):
    """What a document is called."""

    name: Name
    """Unique among the documents of its kind. An agent's name stands in URLs, metrics and Envoy's cluster names; a
    gateway's is what its Envoys send as `node.cluster`."""


class Header(Shape):
    """What every document begins with."""

    api_version: Literal["turnout.dev/v1alpha1"]
    """The version of this format. A later one will be read side by side with this one."""
    metadata: Metadata
    """The document's name."""

    @property
    def name(self) -> str:
        """The document's name, unique among its kind."""
        return self.metadata.name


def fields(shape: type[Shape]) -> dict[str, FieldInfo]:
    """The fields of a shape by their names in YAML, in the order in which they are declared."""
    return {field.alias or name: field for name, field in shape.model_fields.items()}


def shape_within(field: FieldInfo) -> type[Shape] | None:
    """The shape that a field holds, itself or as the items of its sequence; None if it holds plain values."""
    return _shape_in(field.annotation)


def _shape_in(annotation: object) -> type[Shape] | None:
    if isinstance(annotation, type) and issubclass(annotation, Shape):
        return annotation
    return next((shape for part in get_args(annotation) if (shape := _shape_in(part))), None)
