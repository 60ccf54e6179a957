"""The Admin API of one simulated node, as Kong 3.9.3 answered (admin_api_3.9.3.jsonl beside this file)."""

import base64
import json
import uuid
from urllib.parse import parse_qsl

from aiohttp import web

from .store import RefusedError, not_found

VERSION = "3.9.3"
HTML_415 = """<html>
<head><title>415 Unsupported Media Type</title></head>
<body>
<center><h1>415 Unsupported Media Type</h1></center>
</body>
</html>
"""
PAGE_ROWS = 100
METHODS = {"GET": "find", "PATCH": "update", "PUT": "update", "DELETE": "remove"}


class AdminApi:
    """One node.

    Args:
        store: its configuration, shared with others where there is a database.
        ring: its balancers.
        database: ``postgres`` or ``off``.
        token: what ``Kong-Admin-Token`` must be; None takes everybody.
        workspace: requests begin with ``/{workspace}``, as in Kong Enterprise.
    """

    def __init__(self, store, ring, *, database="postgres", token=None, workspace=None):
        self.store = store
        self.ring = ring
        self.database = database
        self.node_id = str(uuid.uuid4())
        self.role = "traditional"
        self.requests = 0
        self._token = token
        self._prefix = f"/{workspace}" if workspace else ""

    def app(self):
        app = web.Application(client_max_size=32 * 2**20)
        app.router.add_route("*", "/{path:.*}", self._serve)
        return app

    async def _serve(self, request):
        self.requests += 1
        try:
            self._check_token(request)
            status, body = await self._answer(request)
        except RefusedError as refused:
            status, body = refused.status, refused.body
        return respond(status, body)

    def _check_token(self, request):
        if self._token and request.headers.get("Kong-Admin-Token") != self._token:
            raise RefusedError(401, {"message": "Invalid credentials. Token or User credentials required"})

    async def _answer(self, request):
        path = request.rel_url.path
        if path == "/status":
            return 200, {"server": self._traffic(), "database": {"reachable": self.store.is_reachable}}
        if not self.store.is_reachable:
            ended = "happened" if path == "/" else "occurred"
            raise RefusedError(500, {"message": f"An unexpected error {ended}"})
        if path == "/":
            return 200, self._root()
        if path == "/config":
            return await self._config(request)
        parts = path.removeprefix(self._prefix).strip("/").split("/")
        match parts:
            case [("upstreams" | "services" | "routes") as kind]:
                return await self._collection(request, kind)
            case [("upstreams" | "services" | "routes") as kind, key]:
                return await self._entity(request, kind, key)
            case ["services", key, "routes"]:
                service = self.store.find("services", key)
                return await self._collection(request, "routes", service={"id": service["id"]})
            case ["upstreams", key, *rest]:
                return await self._below_upstream(request, self.store.find("upstreams", key), rest)
            case ["schemas", kind, "validate"]:
                self.store.create(kind, await fields_of(request))
                return 200, {"message": "schema validation successful"}
        raise not_found()

    async def _below_upstream(self, request, upstream, rest):
        where = {"upstream": {"id": upstream["id"]}}
        match rest:
            case ["targets"] | ["targets", "all"]:
                return await self._collection(request, "targets", **where)
            case ["health"]:
                return 200, self._health(request, upstream)
            case ["targets", key]:
                return await self._entity(request, "targets", key, **where)
            case ["targets", key, *_, ("healthy" | "unhealthy") as health]:
                target = self.store.find("targets", key, **where)
                if request.method != "PUT":
                    raise RefusedError(405, {"message": "Method not allowed"})
                return self._mark(upstream, target["target"], health)
        raise not_found()

    async def _collection(self, request, kind, **where):
        if request.method == "GET":
            tag = request.query.get("tags")
            rows = [row for row in self.store.listed(kind, **where) if tag is None or tag in (row["tags"] or ())]
            return 200, self._page(request, kind, rows)
        if request.method != "POST":
            raise RefusedError(405, {"message": "Method not allowed"})
        fields = await fields_of(request)
        self._check_writable("create", kind)
        return 201, self.store.create(kind, fields, **where)

    async def _entity(self, request, kind, key, **where):
        fields = await fields_of(request) if request.method in {"PATCH", "PUT"} else {}
        try:
            row = self.store.find(kind, key, **where)
        except RefusedError:
            if request.method == "DELETE" and kind != "targets":
                return 204, None
            if request.method == "PATCH" and kind != "targets":
                words = f"could not find the entity with '{{name=\"{key}\"}}'"
                body = {"code": 6, "name": "not found", "fields": {"name": key}, "message": words}
                raise RefusedError(404, body) from None
            raise
        match request.method:
            case "GET":
                return 200, row
            case "PATCH" | "PUT":
                self._check_writable("update", kind)
                return 200, self.store.update(kind, row, fields)
            case "DELETE":
                self._check_writable("remove", kind, "" if kind == "targets" else " by 'name'")
                self.store.delete(kind, row)
                return 204, None
            case "OPTIONS":
                return 204, {"Allow": "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"}
        raise RefusedError(405, {"message": "Method not allowed"})

    def _check_writable(self, verb, kind, how=""):
        if self.database == "off":
            words = f"cannot {verb} '{kind}' entities{how} when not using a database"
            raise RefusedError(405, {"code": 12, "name": "operation unsupported", "message": words})

    async def _config(self, request):
        if self.database != "off":
            words = "this endpoint is only available when Kong is configured to not use a database"
            raise RefusedError(400, {"message": words})
        if request.method == "GET":
            return 200, {"config": self.store.exported()}
        return 201, self.store.load(await fields_of(request), flatten="flatten_errors" in request.query)

    def _page(self, request, kind, rows):
        """Lists of targets count their offset and drop the size; other lists hide an id in it and keep the size."""
        size, offset = int(request.query.get("size", PAGE_ROWS)), request.query.get("offset")
        path = request.rel_url.path
        first = 0
        if offset is not None and kind == "targets":
            if not offset.isdigit():
                raise RefusedError(500, {"message": "An unexpected error occurred"})
            first = int(offset)
        elif offset is not None:
            last = json.loads(base64.b64decode(offset + "=="))[0]
            first = next(index for index, row in enumerate(rows) if row["id"] == last) + 1
        page, rest = rows[first : first + size], rows[first + size :]
        if not rest:
            return {"data": page, "next": None}
        if kind == "targets":
            at, kept = str(first + size), ""
        else:
            at, kept = base64.b64encode(json.dumps([page[-1]["id"]]).encode()).decode().rstrip("="), f"&size={size}"
        return {"data": page, "next": f"{path}?offset={at}{kept}", "offset": at}

    def _health(self, request, upstream):
        balancer = self.ring.of(upstream["id"])
        if "balancer_health" in request.query:
            return {"node_id": self.node_id, "next": None, **({"data": balancer.summary()} if balancer else {})}
        page = self._page(request, "targets", self.store.listed("targets", upstream={"id": upstream["id"]}))
        return {**page, "node_id": self.node_id, "data": [self._told(row, balancer) for row in page["data"]]}

    def _told(self, row, balancer):
        target = row["target"]
        if balancer is None or target not in balancer.weights:
            return row
        weight, health = balancer.weights[target], balancer.health(target)
        host, _, port = target.rpartition(":")
        data = {
            "host": host,
            "port": int(port),
            "dns": "A",
            "nodeWeight": weight,
            "weight": balancer.weight(target),
            "addresses": [{**balancer.address(target), "health": health, "weight": weight}],
        }
        return {**row, "health": health, "data": data}

    def _mark(self, upstream, target, health):
        balancer = self.ring.of(upstream["id"])
        if balancer is None:
            raise RefusedError(400, {"message": f"Upstream {upstream['name']} has no balancer"})
        if not balancer.is_checked:
            raise RefusedError(400, {"message": f"no healthchecker found for {upstream['name']}"})
        (balancer.down.discard if health == "healthy" else balancer.down.add)(target)
        return 204, None

    def _root(self):
        configuration = {"database": self.database, "role": self.role, "router_flavor": "traditional_compatible"}
        return {"version": VERSION, "edition": "community", "configuration": configuration, "node_id": self.node_id}

    def _traffic(self):
        kinds = ("waiting", "active", "handled", "reading", "accepted", "writing")
        return {"total_requests": self.requests, **{f"connections_{kind}": 0 for kind in kinds}}


async def fields_of(request):
    """The body, as Kong reads it: JSON or a form; anything else is no media type that it knows."""
    raw = await request.read()
    kind = request.headers.get("Content-Type", "").partition(";")[0]
    if not raw:
        return {}
    if kind == "application/json":
        try:
            return json.loads(raw)
        except ValueError:
            raise RefusedError(400, {"message": "Cannot parse JSON body"}) from None
    if kind == "application/x-www-form-urlencoded":
        return {key: int(value) if value.isdigit() else value for key, value in parse_qsl(raw.decode())}
    raise RefusedError(415, HTML_415)


def respond(status, body):
    headers = {"Server": f"kong/{VERSION}"}
    if status == 204:
        return web.Response(status=204, headers={**headers, **(body or {})})
    if isinstance(body, str):
        return web.Response(status=status, text=body, headers={**headers, "Content-Type": "text/html; charset=UTF-8"})
    text = json.dumps(body)
    return web.Response(
        status=status, text=text, headers={**headers, "Content-Type": "application/json; charset=utf-8"}
    )
