from __future__ import annotations

from controller.api.routes import OPERATIONS, WITHOUT_HEAD, application, program_version
from tests.unit.controller.api.world import world


async def test_nothing_is_routed_beside_the_table(tmp_path):
    async with world(tmp_path) as at:
        app = application(at.context)
        routed = {(route.method, route.resource.canonical) for route in app.router.routes()}
        expected = {(each.method, each.path) for each in OPERATIONS}
        heads = {("HEAD", each.path) for each in OPERATIONS if each.method == "GET" and each.path not in WITHOUT_HEAD}
        assert routed == expected | heads, "a route is served that no table knows, and no role guards"


def test_the_program_has_a_version():
    assert program_version()
