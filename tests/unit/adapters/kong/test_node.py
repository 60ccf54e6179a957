import json
import threading

import pytest
import yaml

from adapters.kong import node
from adapters.kong.document import parse
from adapters.kong.node import Mode, Upstream, balancer, life_of, settings_differ, stored, weights_differ, write
from adapters.kong.weights import Wanted
from adapters.port import GatewayError, Stickiness

from .admin_api import Script, scripted

PLAIN = Upstream("bot.turnout", None)
PATH = "/upstreams/bot.turnout"
TARGETS = f"GET {PATH}/targets?size=1000"
A, B, C = "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"


def row(target, weight, *tags):
    return {"id": f"id-{target[:8]}", "target": target, "weight": weight, "tags": list(tags) or None}


def database(*rows, **upstream):
    fields = {"name": "bot.turnout", "tags": None, "algorithm": "round-robin", "hash_on": "none", **upstream}
    script = {f"GET {PATH}": (200, fields), TARGETS: (200, {"data": list(rows), "next": None})}
    for found in rows:
        for method, answer in (("PATCH", (200, {})), ("DELETE", (204, b""))):
            script[f"{method} {PATH}/targets/{found['id']}"] = answer
    return Script({**script, f"POST {PATH}/targets": (201, {}), f"PATCH {PATH}": (200, {})})


async def written(script, upstream, wanted, mode=Mode.DATABASE):
    async with scripted(script) as admin:
        await write(admin, "edge", mode, upstream, wanted)
    return [(method, path.removeprefix(PATH), body) for method, path, body in script.writes()]


async def test_rows_are_raised_before_they_are_lowered():
    writes = await written(database(row(A, 90), row(B, 10)), PLAIN, Wanted({A: 50}, {B: 50}))
    assert writes == [
        ("PATCH", "/targets/id-10.0.0.2", {"weight": 50}),
        ("PATCH", "/targets/id-10.0.0.1", {"weight": 50}),
    ]


async def test_a_target_is_made_when_it_is_missing_and_what_stands_is_left_alone():
    writes = await written(database(row(A, 100)), PLAIN, Wanted({A: 100}, {B: 0}))
    assert writes == [("POST", "/targets", {"target": B, "weight": 0, "tags": ["turnout"]})]


async def test_only_what_we_made_is_taken_away():
    script = database(row(A, 100), row(B, 0, "turnout"), row(C, 5), row("10.0.0.4:80", 0, "turnout"))
    writes = await written(script, PLAIN, Wanted({A: 100}, {}, draining=frozenset({"10.0.0.4:80"})))
    assert writes == [
        ("PATCH", "/targets/id-10.0.0.3", {"weight": 0}),
        ("DELETE", "/targets/id-10.0.0.2", None),
    ]


@pytest.mark.parametrize(
    ("now", "way_back", "lowered"),
    [
        ({A: 90, B: 10}, Wanted({A: 100, C: 100}, {B: 0}), True),
        ({A: 0, B: 10}, Wanted({A: 0, C: 100}, {B: 0}), False),
        ({B: 10}, Wanted({C: 100}, {B: 0}), False),
    ],
)
async def test_a_refusal_of_stable_leaves_the_candidate_only_what_nobody_else_can_take(now, way_back, lowered):
    script = database(*(row(target, weight) for target, weight in now.items()))
    script.answers[f"POST {PATH}/targets"] = [(400, {"message": "no"})]
    async with scripted(script) as admin:
        with pytest.raises(GatewayError, match="400 no"):
            await write(admin, "edge", Mode.DATABASE, PLAIN, way_back)
    is_lowered = ("PATCH", f"{PATH}/targets/id-10.0.0.2", {"weight": 0}) in script.writes()
    assert is_lowered is lowered, "the candidate keeps its share, or every weight is 0"


async def test_an_upstream_is_made_when_it_is_missing():
    script = Script({"POST /upstreams": (201, {}), TARGETS: (200, {"data": [], "next": None})})
    script.answers[f"POST {PATH}/targets"] = [(201, {})]
    script.answers[f"PATCH {PATH}"] = [(200, {})]
    writes = await written(script, PLAIN, Wanted({A: 100}, {}))
    made = {"name": "bot.turnout", "tags": ["turnout"], "algorithm": "round-robin", "hash_on": "none"}
    assert writes[0] == ("POST", "/upstreams", made)


@pytest.mark.parametrize(
    ("stickiness", "set_to"),
    [
        (Stickiness(header="x-session"), {"hash_on": "header", "hash_on_header": "x-session"}),
        (Stickiness(cookie="turnout"), {"hash_on": "cookie", "hash_on_cookie": "turnout"}),
    ],
)
async def test_sessions_are_kept_by_a_hash(stickiness, set_to):
    upstream = Upstream("bot.turnout", stickiness)
    fields = {"algorithm": "consistent-hashing", **set_to}
    writes = await written(database(row(A, 100), tags=["turnout"]), upstream, Wanted({A: 100}, {}))
    assert writes == [("PATCH", "", fields)]
    theirs = database(row(A, 100), tags=["theirs"])
    was = ["turnout-was:algorithm=round-robin", "turnout-was:hash_on=none", f"turnout-was:{[*set_to][1]}="]
    writes = await written(theirs, upstream, Wanted({A: 100}, {}))
    assert writes == [("PATCH", "", {**fields, "tags": ["theirs", *was]})], "nobody could ever undo it"
    async with scripted(database(row(A, 100))) as admin:
        assert "algorithm 'round-robin'" in await settings_differ(admin, upstream)
    async with scripted(database(row(A, 100), **fields, tags=[*was, "theirs"])) as admin:
        assert await settings_differ(admin, upstream) == "", "the order in which Kong tells tags is called a change"


def test_what_we_set_is_undone_and_only_that():
    header, cookie = Stickiness(header="x-session"), Stickiness(cookie="turnout")
    theirs = {"algorithm": "latency", "hash_on": "ip", "hash_on_header": "x-user", "hash_on_cookie": None, "tags": None}
    found = theirs
    for stickiness in (header, cookie, header, None):
        found = {**found, **Upstream("bot.turnout", stickiness).settings(found)}
        assert Upstream("bot.turnout", stickiness).settings(found).items() <= found.items(), "it would never rest"
    assert found == theirs
    hashed = {"algorithm": "consistent-hashing", "hash_on": "header", "hash_on_header": "x-session", "tags": None}
    assert {**hashed, **Upstream("bot.turnout", header).settings(hashed)} == hashed
    assert Upstream("bot.turnout", None).settings(hashed) == {}, "what its operator had chosen is taken away"
    odd = {**hashed, "tags": ["turnout-was:name=x", "turnout-was:", 5]}
    assert "name" not in Upstream("bot.turnout", None).settings(odd), "a tag could change any field"


async def test_a_hash_that_somebody_else_chose_stays():
    assert await written(database(row(A, 100), hash_on="header"), PLAIN, Wanted({A: 100}, {})) == []
    ours = database(row(A, 100), hash_on="header", tags=["turnout"])
    assert await written(ours, PLAIN, Wanted({A: 100}, {})) != [], "sessions stay stuck that nobody wants stuck"


async def test_what_is_stored_and_what_is_done_are_two_things():
    odd = [{"id": "x", "target": 5}, {"id": "z", "target": C, "weight": True}, {"id": "w", "target": "c", "weight": 1}]
    script = database(row(A, 100), *odd, {"id": "y", "target": "[0000::1]:80", "weight": 1})
    script.answers[f"GET {PATH}/health?balancer_health=1"] = [(200, {"node_id": "n"})]
    async with scripted(script) as admin:
        assert await stored(admin, PLAIN) == {A: 100, "[::1]:80": 1}
        assert await balancer(admin, PLAIN) is None


def test_what_differs_is_said():
    assert weights_differ({A: 1}, {A: 1, B: 0}) == f"target {B} is gone"
    assert weights_differ({A: 1, B: 2}, {A: 1}) == f"target {B} has weight 2, not 0"
    assert weights_differ({A: 1}, {A: 1}) == ""


# --- without a database -----------------------------------------------------------------------------------------------


class Dbless(Script):
    """Keeps what is posted; ``meanwhile`` is called at each request, with how often it was asked."""

    def __init__(self, document, meanwhile=lambda script, count: None):
        super().__init__()
        self.document = document
        self._meanwhile = meanwhile

    async def serve(self, request):
        raw = await request.read()
        self.asked.append((request.method, request.path, json.loads(raw) if raw else None))
        self._meanwhile(self, len(self.asked))
        key = f"{request.method} /config"
        if request.method == "POST":
            self.document = json.loads(raw)
            self.answers[key] = [(201, {})]
        else:
            self.answers[key] = [(200, {"config": yaml.safe_dump(self.document)})]
        asked, answer = list(self.asked), await super().serve(request)
        self.asked = asked
        return answer


DOCUMENT = {"_format_version": "3.0", "services": [{"name": "shop"}]}


async def test_a_document_is_posted_whole_and_only_when_it_changes():
    script = Dbless(DOCUMENT)
    wanted = Wanted({A: 100}, {B: 0})
    assert len(await written(script, PLAIN, wanted, Mode.DBLESS)) == 1
    assert script.document["services"] == DOCUMENT["services"], "somebody else's configuration is gone"
    script.asked.clear()
    assert await written(script, PLAIN, wanted, Mode.DBLESS) == []


async def test_a_document_of_megabytes_is_read_beside_everything_else(monkeypatch):
    readers = []

    def reading(text):
        readers.append(threading.current_thread())
        return parse(text)

    monkeypatch.setattr(node, "parse", reading)
    await written(Dbless(DOCUMENT), PLAIN, Wanted({A: 100}, {}), Mode.DBLESS)
    assert threading.main_thread() not in readers, "every gateway's rollback would wait for it"
    assert len(readers) == 2, "what has not changed is read a second time"


async def test_a_refused_document_leaves_the_candidate_nothing():
    class Picky(Dbless):
        async def serve(self, request):
            if request.method == "POST" and C in await request.text():
                self.answers["POST /config"] = [(400, {"message": "no"})]
                return await Script.serve(self, request)
            return await super().serve(request)

    targets = [{"upstream": "u", "target": A, "weight": 50}, {"upstream": "u", "target": B, "weight": 50}]
    script = Picky({**DOCUMENT, "upstreams": [{"id": "u", "name": "bot.turnout"}], "targets": targets})
    with pytest.raises(GatewayError, match="400 no"):
        await written(script, PLAIN, Wanted({A: 100, C: 100}, {B: 0}), Mode.DBLESS)
    assert [row["weight"] for row in script.document["targets"]] == [50, 0], "the candidate would keep its share"
    assert script.document["services"] == DOCUMENT["services"]


async def test_what_somebody_posts_meanwhile_is_kept():
    def meanwhile(script, count):
        if count == 2:  # between our reading and our posting
            script.document = {**DOCUMENT, "services": [{"name": "shop"}, {"name": "new"}]}

    script = Dbless(DOCUMENT, meanwhile)
    await written(script, PLAIN, Wanted({A: 100}, {}), Mode.DBLESS)
    assert len(script.document["services"]) == 2, "what somebody posted meanwhile is lost"


async def test_somebody_who_never_stops_posting_is_told_of():
    def meanwhile(script, count):
        script.document = {**DOCUMENT, "services": [{"name": f"s{count}"}]}

    with pytest.raises(GatewayError) as raised:
        await written(Dbless(DOCUMENT, meanwhile), PLAIN, Wanted({A: 100}, {}), Mode.DBLESS)
    assert (raised.value.code, raised.value.retryable) == ("conflict", True)


@pytest.mark.parametrize("answer", [{}, {"config": 5}, {"config": "- 1"}])
async def test_a_configuration_that_is_none_is_refused(answer):
    with pytest.raises(GatewayError) as raised:
        await written(Script({"GET /config": (200, answer)}), PLAIN, Wanted({A: 100}, {}), Mode.DBLESS)
    assert raised.value.code == "invalid"


@pytest.mark.parametrize(
    ("configuration", "mode"),
    [({"database": "off"}, Mode.DBLESS), ({"database": "postgres"}, Mode.DATABASE)],
)
async def test_a_node_says_how_it_keeps_its_configuration(configuration, mode):
    async with scripted(Script({"GET /": (200, {"configuration": configuration})})) as admin:
        assert (await life_of(admin, "edge")).mode is mode


async def test_what_is_no_kong_is_not_written():
    async with scripted(Script({"GET /": (200, {"hello": "world"})})) as admin:
        with pytest.raises(GatewayError, match="is this an Admin API"):
            await life_of(admin, "edge")


async def test_a_control_plane_is_refused():
    script = Script({"GET /": (200, {"configuration": {"role": "control_plane", "database": "postgres"}})})
    async with scripted(script) as admin:
        with pytest.raises(GatewayError, match="control plane"):
            await life_of(admin, "edge")
