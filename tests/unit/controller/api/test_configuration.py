from __future__ import annotations

from controller.api.context import Standing
from tests.unit.controller.api.world import world


async def test_an_operator_sees_which_settings_are_in_force(tmp_path):
    async with world(tmp_path) as at:
        assert await at.ask("GET", "/v1/settings") == (200, {"digest": "0123456789abcdef", "refused": []})


async def test_an_operator_sees_why_newer_settings_are_not_in_force(tmp_path):
    async with world(tmp_path) as at:
        at.standing[0] = Standing("0123456789abcdef", ("edge.yaml:12: spec.rout: is not a field.",))
        _, told = await at.ask("GET", "/v1/settings")
        assert told["refused"] == ["edge.yaml:12: spec.rout: is not a field."], "a refused file would go unnoticed"
