"""The API of one simulated instance, version 9, from its published description. Nobody compared it with a real one."""

import json
import uuid
from datetime import UTC, datetime

from aiohttp import web

from .upstreams import ApiError

VERSIONS = [1, 2, 3, 4, 5, 6, 7, 8, 9]


class Api:
    """One instance.

    Args:
        memory: what it holds.
        authorization: what the header must be; None takes everybody.
        is_writable: ``api write=on``.
    """

    def __init__(self, memory, *, authorization=None, is_writable=True):
        self._memory = memory
        self._authorization = authorization
        self._is_writable = is_writable
        self.about = {
            "version": "1.27.2",
            "build": "nginx-plus-r33",
            "address": "127.0.0.1",
            "generation": 1,
            "load_timestamp": datetime.now(UTC).isoformat(),
        }

    def app(self):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        return app

    async def _serve(self, request):
        if self._authorization and request.headers.get("Authorization") != self._authorization:
            return web.Response(status=401, text="<html>401 Authorization Required</html>", content_type="text/html")
        try:
            return await self._answer(request)
        except ApiError as error:
            body = {
                "error": {"status": error.status, "text": error.text, "code": error.code},
                "request_id": uuid.uuid4().hex,
                "href": "https://nginx.org/en/docs/http/ngx_http_api_module.html",
            }
            return web.json_response(body, status=error.status)

    async def _answer(self, request):
        parts = request.path.strip("/").split("/")
        if parts[:1] != ["api"]:
            raise ApiError(404, "path not found", "PathNotFound")
        if parts == ["api"]:
            return web.json_response(VERSIONS)
        if parts[1] not in map(str, VERSIONS):
            raise ApiError(404, "unknown version", "UnknownVersion")
        if request.method != "GET" and not self._is_writable:
            raise ApiError(405, "method disabled", "MethodDisabled")
        match parts[2:]:
            case ["nginx"]:
                return web.json_response(self.about)
            case ["http", "keyvals", zone]:
                return await self._keyval(request, self._memory.keyval(zone))
            case ["http", "upstreams", name]:
                return web.json_response(self._memory.upstream(name).told(name))
            case ["http", "upstreams", name, "servers", *key]:
                return await self._servers(request, self._memory.upstream(name), *key)
        raise ApiError(404, "path not found", "PathNotFound")

    async def _servers(self, request, upstream, key=None):
        match request.method, key:
            case "GET", None:
                return web.json_response(upstream.rows())
            case "POST", None:
                return web.json_response(upstream.add(await fields_of(request)), status=201)
            case "PATCH", str():
                return web.json_response(upstream.change(key, await fields_of(request)))
            case "DELETE", str():
                return web.json_response(upstream.remove(key))
            case "GET", str():
                return web.json_response(upstream._peer(key).row)
        raise ApiError(405, "method disabled", "MethodDisabled")

    async def _keyval(self, request, pairs):
        if request.method == "GET":
            return web.json_response(pairs)
        if request.method not in {"PATCH", "POST"}:
            raise ApiError(405, "method disabled", "MethodDisabled")
        for name, value in (await fields_of(request)).items():
            if value is not None and not isinstance(value, str):
                raise ApiError(400, "invalid value", "KeyvalFormatError")
            pairs.pop(name, None) if value is None else pairs.update({name: value})
        return web.Response(status=204)


async def fields_of(request):
    try:
        fields = json.loads(await request.read())
    except ValueError:
        raise ApiError(415, "json error", "JsonError") from None
    if not isinstance(fields, dict):
        raise ApiError(415, "json error", "JsonError")
    return fields
