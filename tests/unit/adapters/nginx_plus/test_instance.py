"""One instance, whose API says whatever it likes."""

import pytest

from adapters.nginx_plus.instance import Instance, Pool
from adapters.port import Assignment, GatewayError, Route, Split, Version

A, B, C = "10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"
SERVERS = "/http/upstreams/bot/servers"
KEYVAL = "/http/keyvals/splits"


def server(server_id, address, **more):
    return {"id": server_id, "server": address, "weight": 1, "down": False, **more}


class Scripted:
    """Answers GET by path, takes every change but those that it refuses, and keeps them."""

    url = "http://nginx"

    def __init__(self, answers, refuses=()):
        self._answers = answers
        self._refuses = refuses
        self.changes = []

    async def ask(self, method, path, body=None):
        if method == "GET":
            return self._answers[path]
        if (method, path) in self._refuses:
            raise GatewayError("edge", "invalid", f"{method} {path} refused", retryable=False)
        self.changes.append((method, path, body))
        return None


def at(candidate_bp, *stable):
    return Assignment("bot", Route(), Version("1.0", stable), Version("1.1", (B,)), split=Split(candidate_bp))


@pytest.mark.parametrize(
    ("servers", "is_down"),
    [
        ([server(0, A), server(1, B)], True),
        ([server(0, A, down=True), server(1, B)], False),
        ([server(1, B)], False),
    ],
)
async def test_a_refusal_of_stable_leaves_the_candidate_only_what_nobody_else_can_take(servers, is_down):
    api = Scripted({SERVERS: servers}, [("POST", SERVERS), ("PATCH", f"{SERVERS}/0")])
    stable = {C: 1, **({A: 1} if len(servers) == 2 else {})}
    with pytest.raises(GatewayError, match="refused"):
        await Instance("edge", api, None).write(at(0, *stable), [Pool("/http/upstreams/bot", stable, {B: 0})])
    is_lowered = ("PATCH", f"{SERVERS}/1", {"down": True}) in api.changes
    assert is_lowered is is_down, "the candidate keeps its share, or every server is down"


@pytest.mark.parametrize("serves", [True, False])
async def test_a_percentage_is_taken_back_before_stable_is_brought_in_order(serves):
    stable, candidate = (
        Pool("/http/upstreams/bot-stable", {A: 1, C: 1}, {}),
        Pool("/http/upstreams/bot-candidate", {B: 1}, {}),
    )
    there = {f"{stable.path}/servers": [server(0, A, down=not serves)], f"{candidate.path}/servers": [server(0, B)]}
    api = Scripted({**there, KEYVAL: {"bot": "50"}}, [("POST", f"{stable.path}/servers")])
    with pytest.raises(GatewayError, match="refused"):
        await Instance("edge", api, "splits").write(at(0, A, C), [stable, candidate])
    is_back = ("PATCH", KEYVAL, {"bot": "0"}) in api.changes
    assert is_back is serves, "the candidate keeps its share, or requests go where nobody serves"


async def test_a_percentage_is_taken_back_although_the_candidates_upstream_is_gone():
    stable, candidate = (
        Pool("/http/upstreams/bot-stable", {A: 1}, {}),
        Pool("/http/upstreams/bot-candidate", {B: 1}, {}),
    )
    api = Scripted({f"{stable.path}/servers": [server(0, A)], KEYVAL: {"bot": "50"}})
    with pytest.raises(KeyError):
        await Instance("edge", api, "splits").write(at(0, A), [stable, candidate])
    assert api.changes == [("PATCH", KEYVAL, {"bot": "0"})], "half of all requests would go where nobody is"


async def test_what_is_no_server_is_left_alone():
    odd = [5, server(True, C), server(7, 5), server(8, "unix:/run/x"), server(9, "10.0.0.9:\u00b2")]
    api = Scripted({SERVERS: [server(0, A), server(1, B, weight=True, down=True), *odd[:4]]})
    await Instance("edge", api, None).write(at(0, A), [Pool("/http/upstreams/bot", {A: 1}, {B: 0})])
    assert api.changes == []
    api = Scripted({SERVERS: [server(0, A), odd[4]]})
    assert "10.0.0.9" in await Instance("edge", api, None).differs(at(0, A), [Pool("/http/upstreams/bot", {A: 1}, {})])


async def test_servers_that_are_no_list_are_not_taken_for_none():
    with pytest.raises(GatewayError, match="no list"):
        await Instance("edge", Scripted({SERVERS: {}}), None).differs(at(0, A), [Pool("/http/upstreams/bot", {}, {})])


@pytest.mark.parametrize("told", [5, {"peers": 5, "zombies": "1"}, {"peers": [5, {"server": A, "id": True}]}])
async def test_peers_that_are_none_are_not_counted(told):
    peers, _ = await Instance("edge", Scripted({"/u": told}), None).sight([Pool("/u", {}, {})])
    assert peers == []


async def test_an_instance_that_says_nothing_of_itself_has_no_life():
    assert await Instance("edge", Scripted({"/nginx": []}), None).loaded_at() is None
