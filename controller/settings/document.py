"""YAML text as plain, immutable values that know their line. Safe to feed with anything: every dimension has a limit.

Read from parser events rather than by a YAML constructor: no tag can build an object, no alias can multiply the text
without being counted, a duplicate key is seen, and depth is ours to limit. Plain scalars follow the core schema of
YAML 1.2 (section 10.3.2), so that ``yes``, ``1:30`` and dates are text, and not what YAML 1.1 made of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from controller.settings.problem import FieldPath, Problem, field_name, shown

DEPTH_MAX = 16
"""The deepest field of ours is at 7; deeper nesting is an attack on the parser."""
VALUES_MAX = 100_000
"""Values per file, aliases expanded: four times what 1 MiB of honest settings holds."""

# libyaml where the wheel has it: about ten times as fast, and it limits its own nesting.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?[0-9]{1,20}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?")
_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    word: truth for truth in (True, False) for word in (str(truth), str(truth).lower(), str(truth).upper())
}


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document.

    Attributes:
        file: as the operator named it.
        line: where the document begins, counted from 1.
        value: dicts, tuples, text, numbers, booleans and None.
        lines: where each field stands.
        texts: each scalar as it was written: ``1.20``, not 1.2.
    """

    file: str
    line: int
    value: Any
    lines: Mapping[FieldPath, int]
    texts: Mapping[FieldPath, str]

    def line_of(self, path: FieldPath) -> int:
        """The line of a field, or of the nearest one around it."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, self.line)

    def problem(self, path: FieldPath, message: str, remedy: str) -> Problem:
        """A fault of this document's."""
        return Problem(self.file, self.line_of(path), field_name(path), message, remedy)


@dataclass(slots=True)
class _Node:
    """A node of the tree. ``content`` is the value of a scalar, the nodes of a sequence, or (key, line, node)s."""

    line: int
    content: Any
    kind: str
    text: str = ""


@dataclass(slots=True)
class _FileError(Exception):
    """The rest of the file cannot be read."""

    line: int
    message: str
    remedy: str


def read_documents(file: str, text: str) -> tuple[list[Document], list[Problem]]:
    """The documents of a file, without the empty ones, and what is wrong with the file. Raises nothing."""
    documents: list[Document] = []
    reader = _Reader(file)
    try:
        documents.extend(reader.documents(text))
    except _FileError as fault:
        reader.problems.append(Problem(file, fault.line, "", fault.message, fault.remedy))
    except yaml.MarkedYAMLError as error:
        reader.problems.append(_syntax_problem(file, text, error))
    except yaml.YAMLError:
        message = "The file holds control characters."
        reader.problems.append(Problem(file, 0, "", message, "Save it as plain text in UTF-8."))
    if not documents and not reader.problems:
        remedy = "Remove the file if that is meant; an agent is not removed by an empty file."
        reader.problems.append(Problem(file, 0, "", "The file holds no document.", remedy))
    return documents, reader.problems


def _syntax_problem(file: str, text: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 0
    written = text.splitlines()[line - 1 : line]
    if written and "\t" in written[0]:
        return Problem(file, line, "", "A tab stands where YAML wants spaces.", "Indent with spaces.")
    said = " ".join(part for part in (error.context, error.problem) if part)
    return Problem(file, line, "", f"This is not YAML: {said}.", "Mend the syntax here or just above.")


@dataclass(slots=True)
class _Reader:
    """Reads one file; ``values`` counts against VALUES_MAX over all of its documents."""

    file: str
    problems: list[Problem] = field(default_factory=list)
    values: int = 0

    def documents(self, text: str) -> Iterator[Document]:
        events = yaml.parse(text, Loader=_LOADER)
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                root = self._node(next(events), events, {}, 0)
                if root.content is not None:
                    yield self._document(root)

    def _node(self, event: yaml.Event, events: Iterator[yaml.Event], anchors: dict[str, _Node], depth: int) -> _Node:
        line = _line(event)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in anchors:
                raise _FileError(
                    line, f"Nothing is anchored as &{shown(event.anchor)[1:-1]} above.", "Write the value out."
                )
            return anchors[event.anchor]
        if depth > DEPTH_MAX:
            raise _FileError(
                line, f"The nesting is deeper than {DEPTH_MAX}.", "No setting stands so deep: check the braces."
            )
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent), "a document is made of nodes"
        if event.tag is not None:
            raise _FileError(line, f"The tag {shown(event.tag)} means nothing here.", "Remove it; quote text.")
        if isinstance(event, yaml.ScalarEvent):
            content = _plain_value(event.value) if event.implicit[0] else event.value
            node = _Node(line, content, "scalar", event.value)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = _Node(line, self._items(events, anchors, depth), "sequence")
        else:
            node = _Node(line, self._entries(events, anchors, depth), "mapping")
        if event.anchor is not None:
            anchors[event.anchor] = node
        return node

    def _items(self, events: Iterator[yaml.Event], anchors: dict[str, _Node], depth: int) -> list[_Node]:
        items: list[_Node] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self._node(event, events, anchors, depth + 1))
        return items

    def _entries(
        self, events: Iterator[yaml.Event], anchors: dict[str, _Node], depth: int
    ) -> list[tuple[str, int, _Node]]:
        entries: dict[str, tuple[str, int, _Node]] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            line = _line(event)
            key = self._node(event, events, anchors, depth + 1)
            if key.kind != "scalar":
                raise _FileError(
                    line, "A list or mapping stands where a field's name is expected.", "Use a plain name."
                )
            node = self._node(next(events), events, anchors, depth + 1)
            if key.text in entries:
                message = f"{shown(key.text)} stands here twice, first in line {entries[key.text][1]}."
                self.problems.append(Problem(self.file, line, "", message, "Remove one of them."))
            else:
                entries[key.text] = (key.text, line, node)
        return list(entries.values())

    def _document(self, root: _Node) -> Document:
        lines: dict[FieldPath, int] = {}
        texts: dict[FieldPath, str] = {}

        def build(node: _Node, path: FieldPath, line: int) -> Any:  # noqa: ANN401 - whatever the YAML holds
            self.values += 1
            if self.values > VALUES_MAX:
                remedy = "Use fewer aliases, or split the file."
                raise _FileError(line, f"The file holds more than {VALUES_MAX:,} values, aliases expanded.", remedy)
            if len(path) > DEPTH_MAX:
                message = f"The nesting is deeper than {DEPTH_MAX}, aliases expanded."
                raise _FileError(line, message, "Use fewer aliases.")
            lines[path] = line
            if node.kind == "mapping":
                return {key: build(child, (*path, key), at) for key, at, child in node.content}
            if node.kind == "sequence":
                return tuple(build(child, (*path, index), child.line) for index, child in enumerate(node.content))
            texts[path] = node.text
            return node.content

        return Document(self.file, root.line, build(root, (), root.line), lines, texts)


def _line(event: yaml.Event) -> int:
    assert event.start_mark is not None, "both parsers mark every event that they read from text"
    return event.start_mark.line + 1


def _plain_value(text: str) -> str | float | None:
    """What an unquoted scalar means in the core schema of YAML 1.2, less octal, hexadecimal, infinity and nan."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
