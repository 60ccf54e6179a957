from __future__ import annotations

import jsonschema
import pytest

from controller.api.openapi import statuses
from controller.api.routes import OPERATIONS, description
from tests.unit.controller.api.world import AGENT, CANDIDATE, world

JSON = "application/json"


def references(value: object):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


@pytest.mark.parametrize("secured", [True, False])
def test_the_description_is_whole(secured):
    told = description(secured=secured)
    for name, schema in told["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema.get("type") or "enum" in schema, name
    known = {f"#/components/schemas/{name}" for name in told["components"]["schemas"]}
    assert set(references(told)) <= known, "a reference leads nowhere"
    described = {(path, method.upper()) for path, methods in told["paths"].items() for method in methods}
    assert described == {(each.path, each.method) for each in OPERATIONS}, "a route is served and not described"
    assert ("securitySchemes" in told["components"]) is secured


def test_every_operation_says_what_it_needs_and_how_it_may_fail():
    told = description(secured=True)
    for each in OPERATIONS:
        found = told["paths"][each.path][each.method.lower()]
        assert ("security" in found) is (each.right is not None), each.name
        assert {str(status) for status in statuses(each, secured=True)} <= found["responses"].keys()
        assert ("requestBody" in found) is each.in_body


async def test_answers_are_what_was_described(tmp_path):
    async with world(tmp_path) as at:
        _, told = await at.ask("GET", "/openapi.json")
        await at.at_first_step()
        for path in ("/v1/agents", f"/v1/agents/{AGENT}", "/v1/proposals", "/v1/gateways", "/v1/journal", "/healthz"):
            template = path.replace(AGENT, "{name}")
            good = told["paths"][template]["get"]["responses"]["200"]["content"][JSON]["schema"]
            status, answer = await at.ask("GET", path)
            assert status == 200
            jsonschema.Draft202012Validator({**good, "components": told["components"]}).validate(answer)


async def test_what_is_asked_for_is_described(tmp_path):
    async with world(tmp_path) as at:
        _, told = await at.ask("GET", "/openapi.json")
        body = told["paths"]["/v1/agents/{name}/candidate"]["put"]["requestBody"]["content"][JSON]["schema"]
        validator = jsonschema.Draft202012Validator({**body, "components": told["components"]})
        validator.validate(CANDIDATE)
        assert not validator.is_valid({**CANDIDATE, "colour": "red"}), (
            "an unknown field is refused and not described so"
        )
