"""From a path to :class:`Settings`, or to every reason why not."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from controller.settings.access import AccessSettings
from controller.settings.agent import AgentSettings
from controller.settings.consistency import AnySettings, Placed, inconsistencies
from controller.settings.document import Document, read_documents
from controller.settings.explanation import explain
from controller.settings.gateway import GatewaySettings
from controller.settings.problem import Problem, SettingsError, shown
from controller.settings.source import Source, read

KINDS: Mapping[str, type[AnySettings]] = MappingProxyType(
    {"Gateway": GatewaySettings, "Agent": AgentSettings, "Access": AccessSettings}
)


@dataclass(frozen=True, slots=True)
class Settings:
    """All that the operator asks for: valid, consistent, immutable.

    Attributes:
        gateways: by name.
        agents: by name.
        access: who may use the API; None when no such document is there.
        digest: of what is asked for, not of how it is written: comments and order change nothing.
        documents: where each was written, by kind and name, so that a doubt can name its line.
    """

    gateways: Mapping[str, GatewaySettings]
    agents: Mapping[str, AgentSettings]
    access: AccessSettings | None
    digest: str
    documents: Mapping[tuple[str, str], Document] = field(compare=False, repr=False)


def load(path: Path | str) -> Settings:
    """Read a file, or a directory of files. Raises :class:`SettingsError` with every fault that was found."""
    return parse(read(Path(path)))


def loads(text: str, file: str = "settings.yaml") -> Settings:
    """Read settings from text. Raises :class:`SettingsError`."""
    return parse(Source(((file, text.encode("utf-8", "surrogatepass")),)))


def parse(source: Source) -> Settings:
    """The settings that the bytes mean. Pure. Raises :class:`SettingsError`, whatever the bytes are."""
    problems = list(source.problems)
    placed: list[Placed] = []
    known_gateways: set[str] = set()
    for file, content in source.files:
        for document in _documents(file, content, problems):
            known_gateways.update(_gateway_name(document))
            settings = _settings(document, problems)
            if settings is not None:
                placed.append(Placed(document, settings))
    problems.extend(inconsistencies(placed, frozenset(known_gateways)))
    if problems:
        raise SettingsError(problems)
    return _whole(placed)


def _documents(file: str, content: bytes, problems: list[Problem]) -> list[Document]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problems.append(Problem(file, line, "", "This is not UTF-8.", "Save the file as UTF-8."))
        return []
    documents, found = read_documents(file, text)
    problems.extend(found)
    return documents


def _settings(document: Document, problems: list[Problem]) -> AnySettings | None:
    if not isinstance(document.value, dict):
        remedy = "Begin it with apiVersion, kind, metadata and spec."
        problems.append(document.problem((), "The document is not a mapping.", remedy))
        return None
    kind = document.value.get("kind")
    shape = KINDS.get(kind) if isinstance(kind, str) else None
    if shape is None:
        problems.append(document.problem(("kind",), *_unknown_kind(kind)))
        return None
    try:
        return shape.model_validate(document.value)
    except ValidationError as error:
        problems.extend(explain(error, document, shape, secret=shape is AccessSettings))
        return None


def _unknown_kind(kind: object) -> tuple[str, str]:
    if kind is None:
        return "is missing.", f"Add it: {', '.join(KINDS)}."
    near = difflib.get_close_matches(str(kind).capitalize(), KINDS, n=1)
    remedy = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(KINDS)}."
    return f"{shown(kind) if isinstance(kind, str) else 'The value'} is not a kind of document.", remedy


def _gateway_name(document: Document) -> Iterator[str]:
    """The name of a Gateway, faulty or not, so that its agents are not said to be faulty too."""
    value = document.value
    if isinstance(value, dict) and value.get("kind") == "Gateway" and isinstance(value.get("metadata"), dict):
        name = value["metadata"].get("name")
        if isinstance(name, str):
            yield name


def _whole(placed: list[Placed]) -> Settings:
    ordered = sorted(placed, key=lambda each: (each.settings.kind, each.settings.name))
    asked = [each.settings.model_dump(mode="json", by_alias=True) for each in ordered]
    canonical = json.dumps(asked, sort_keys=True, separators=(",", ":")).encode()
    every = [each.settings for each in ordered]
    return Settings(
        gateways=MappingProxyType({each.name: each for each in every if isinstance(each, GatewaySettings)}),
        agents=MappingProxyType({each.name: each for each in every if isinstance(each, AgentSettings)}),
        access=next((each for each in every if isinstance(each, AccessSettings)), None),
        digest=f"sha256:{hashlib.sha256(canonical).hexdigest()}",
        documents=MappingProxyType({(each.settings.kind, each.settings.name): each.document for each in ordered}),
    )
