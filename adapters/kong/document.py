"""A DB-less node's whole configuration, with one upstream of ours in it. Pure.

Such a node takes nothing but a whole document (``POST /config``). So the present one is read, our upstream's targets
are changed in it, and everything else goes back as it came. A document may hold other people's credentials: none of it
is ever logged.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import uuid
from collections.abc import Hashable, Mapping
from typing import Any

import yaml

from .weights import Wanted, goes_on, is_whole, target_in

Document = dict[str, Any]

MADE_BY_US = "turnout"
"""The tag of upstreams and targets that we made."""

_STAMPS = ("created_at", "updated_at")
_NAMESPACE = uuid.UUID("5f6c5e0f-3c0e-5b59-9d0b-0f6f8b1c6a7e")


class DocumentError(ValueError):
    """The document is not one that a DB-less node gives out."""


class _Loader(yaml.SafeLoader):
    """JSON's values only, plain ones as YAML 1.2 knows them: Kong quotes what its own writer would misread."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Names stay the text that they are written as: JSON knows no others."""
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                key.tag = "tag:yaml.org,2002:str"
        return super().construct_mapping(node, deep=deep)


_VALUES = ("null", "bool", "int", "float", "str", "seq", "map")
_Loader.yaml_constructors = {
    tag: made
    for tag, made in yaml.SafeLoader.yaml_constructors.items()
    if tag is None or tag.removeprefix("tag:yaml.org,2002:") in _VALUES
}
_Loader.yaml_implicit_resolvers = {}
for _tag, _form, _first in (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false", list("tf")),
    ("int", r"-?(0|[1-9][0-9]*)", list("-0123456789")),
    ("float", r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?", list("-0123456789")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_form})$"), _first)


def parse(text: str) -> Document:
    """The document of ``GET /config``. Raises DocumentError."""
    try:
        document = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader, only with fewer kinds of plain values
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise DocumentError("the configuration is no YAML") from error  # its words may hold what must not be told
    if not isinstance(document, dict):
        raise DocumentError("the configuration is no mapping")
    for kind in ("upstreams", "targets"):
        rows = document.get(kind) or []
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise DocumentError(f"the configuration's {kind} are no list of mappings")
    return document


def digest(document: Document) -> str:
    """What two documents have in common that say the same. Kong gives rows out in any order, and stamps them anew."""
    plain = {kind: sorted(map(_canonical, rows)) if isinstance(rows, list) else rows for kind, rows in document.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


def upstream_in(document: Document, name: str) -> Document | None:
    """The upstream of this name, if there is one."""
    return next((row for row in document.get("upstreams") or [] if row.get("name") == name), None)


def tags_of(row: Mapping[str, object]) -> list[str]:
    """The tags of an upstream or a target."""
    tags = row.get("tags")
    return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


def weights_in(document: Document, name: str) -> dict[str, int]:
    """What every target of an upstream has. Raises DocumentError."""
    upstream = upstream_in(document, name)
    if upstream is None:
        return {}
    return {_target(row): row["weight"] for row in document.get("targets") or [] if _belongs(row, upstream)}


def merged(document: Document, name: str, wanted: Wanted, settings: Mapping[str, object]) -> Document:
    """The document with an upstream's targets at these weights.

    Targets that are not wanted have weight 0; those of them that we made, and that drain no more, are gone.

    Args:
        document: as it was read; it is not changed.
        name: the upstream, which is made if it is missing.
        wanted: the weights of its targets, which are made if they are missing.
        settings: fields of the upstream that must be so.
    """
    whole = copy.deepcopy(document)
    upstream = upstream_in(whole, name)
    if upstream is None:
        upstream = {"id": str(uuid.uuid5(_NAMESPACE, name)), "name": name, "tags": [MADE_BY_US]}
        whole["upstreams"] = [*(whole.get("upstreams") or []), upstream]
    upstream.update(settings)
    targets, missing = [], wanted.all
    for row in whole.get("targets") or []:
        if _belongs(row, upstream):
            target = _target(row)
            if target not in wanted.known and MADE_BY_US in tags_of(row):
                continue
            row["weight"] = missing.pop(target, 0)
        targets.append(row)
    reference = upstream.get("id") or name
    targets += [
        {"upstream": reference, "target": target, "weight": weight, "tags": [MADE_BY_US]}
        for target, weight in missing.items()
    ]
    whole["targets"] = targets
    return whole


def lowered(document: Document, name: str, wanted: Wanted) -> Document | None:
    """The document with what a refused one takes from the candidate, and no more; None where there is nothing of it.

    A way back does not wait until every target of stable can be added, nor for how sessions are kept.
    """
    now = weights_in(document, name)
    down = {target: wanted.all.get(target, 0) for target in now}
    taken = {target for target, weight in down.items() if goes_on(now, wanted, (target, weight))}
    if not taken:
        return None
    whole = copy.deepcopy(document)
    upstream = upstream_in(whole, name)
    for row in whole.get("targets") or []:
        if upstream is not None and _belongs(row, upstream) and _target(row) in taken:
            row["weight"] = down[_target(row)]
    return whole


def without(document: Document, name: str) -> Document:
    """What belongs to others: all but an upstream and its targets."""
    upstream = upstream_in(document, name)
    rest = dict(document)
    rest["upstreams"] = [row for row in document.get("upstreams") or [] if row.get("name") != name]
    rest["targets"] = [row for row in document.get("targets") or [] if upstream is None or not _belongs(row, upstream)]
    return {kind: rows for kind, rows in rest.items() if rows not in ([], None)}


def _canonical(row: object) -> str:
    if isinstance(row, dict):
        row = {name: value for name, value in row.items() if name not in _STAMPS}
    return json.dumps(row, sort_keys=True)


def _belongs(row: Document, upstream: Document) -> bool:
    return row.get("upstream") is not None and row["upstream"] in (upstream.get("id"), upstream.get("name"))


def _target(row: Document) -> str:
    target = target_in(row)
    if not target or not is_whole(row.setdefault("weight", 100)):
        raise DocumentError("a target has no address or no weight")
    return target
