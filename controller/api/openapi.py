"""The API's own description (OpenAPI 3.1), made of the route table and of the models that read and write. Pure.

https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from .access import NEEDS
from .operation import JSON, Operation
from .problems import MEDIA, Problem
from .shape import Nothing

_REFERENCES = "#/components/schemas/{model}"
_ID_PATTERN = "^[0-9a-z-]{1,64}$"

# Said in words: a parameter would promise that any ETag of the right form is taken, and this is there to be refused.
_IF_MATCH = " Heeds If-Match with the agent's ETag: 412 tells what has happened since."

Mode = Literal["validation", "serialization"]


def describe(operations: Iterable[Operation[Any]], version: str, *, secured: bool) -> dict[str, Any]:
    """The whole document.

    Args:
        operations: the route table.
        version: of this program.
        secured: whether tokens are asked for.
    """
    table = tuple(operations)
    wanted: dict[tuple[type[BaseModel], Mode], None] = {(Problem, "serialization"): None}
    for operation in table:
        if operation.in_body:
            wanted[operation.asks, "validation"] = None
        if operation.told:
            wanted[operation.told, "serialization"] = None
    references, schemas = models_json_schema(list(wanted), ref_template=_REFERENCES)
    paths: dict[str, dict[str, Any]] = {}
    for operation in table:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, references, secured)
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "Turnout",
            "version": version,
            "summary": "Guides live requests to the stable or the candidate version of an agent.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "paths": paths,
        "components": {"schemas": schemas["$defs"]},
    }
    if secured:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    return document


def statuses(operation: Operation[Any], *, secured: bool) -> tuple[int, ...]:
    """Every status that is a problem, besides the good one."""
    found = {400, 500, 503}
    if operation.right is not None:
        found |= {403, 504} | ({401} if secured else set())
    if "{" in operation.path or operation.in_body:
        found |= {404}
    if operation.right is not None and operation.method != "GET":
        found |= {409, 412, 507}
    if operation.in_body:
        found |= {413, 415}
    return tuple(sorted(found | {422}))


def _operation(operation: Operation[Any], references: Mapping[Any, Any], secured: bool) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation), *_query_parameters(operation), *_header_parameters(operation)],
        "responses": {
            str(operation.status): _good(operation, references),
            **{
                str(status): {
                    "description": HTTPStatus(status).phrase,
                    "content": {MEDIA: {"schema": references[Problem, "serialization"]}},
                }
                for status in statuses(operation, secured=secured)
            },
        },
    }
    if operation.right is not None:
        role = f"Takes the role {NEEDS[operation.right]}, where tokens are asked for."
        described["description"] = role + (_IF_MATCH if operation.conditional else "")
        if secured:
            described["security"] = [{"token": []}]
    if operation.in_body:
        described["requestBody"] = {
            "required": operation.body_needed,
            "content": {JSON: {"schema": references[operation.asks, "validation"]}},
        }
    return described


def _good(operation: Operation[Any], references: Mapping[Any, Any]) -> dict[str, Any]:
    schema = references[operation.told, "serialization"] if operation.told else _media_schema(operation)
    good: dict[str, Any] = {
        "description": HTTPStatus(operation.status).phrase,
        "content": {operation.media: {"schema": schema}},
    }
    headers: dict[str, Any] = {}
    if operation.conditional or operation.name == "getAgent":
        headers["ETag"] = {"description": "The number of changes.", "schema": {"type": "string"}}
    if operation.status == HTTPStatus.CREATED:
        headers["Location"] = {"required": True, "schema": {"type": "string"}}
    return {**good, "headers": headers} if headers else good


def _media_schema(operation: Operation[Any]) -> dict[str, Any]:
    return {"type": "object"} if operation.media == JSON else {"type": "string"}


def _path_parameters(operation: Operation[Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "pattern": _ID_PATTERN}}
        for name in re.findall(r"\{(\w+)\}", operation.path)
    ]


def _query_parameters(operation: Operation[Any]) -> list[dict[str, Any]]:
    if operation.in_body or operation.asks is Nothing:
        return []
    schema = operation.asks.model_json_schema(mode="validation")
    definitions = schema.get("$defs", {})
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": _without_null(_inlined(found, definitions)),
        }
        for name, found in schema.get("properties", {}).items()
    ]


def _header_parameters(operation: Operation[Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "header", "required": False, "schema": dict(schema)}
        for name, schema in operation.headers.items()
    ]


def _inlined(schema: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """A parameter's schema without references into its own document."""
    reference = schema.get("$ref", "")
    if not reference:
        return schema
    rest = {key: value for key, value in schema.items() if key != "$ref"}
    return {**definitions[reference.rpartition("/")[2]], **rest}


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter that is left out is absent: text cannot be null."""
    kinds = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return {**kinds[0], **rest}
