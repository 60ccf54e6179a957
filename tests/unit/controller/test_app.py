"""The whole controller in this process, over a gateway that carries no traffic."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager

import aiohttp
import pytest

import controller.app
from controller.app import App, Options, listen_address, serve
from controller.errors import TurnoutError
from controller.journal.errors import JournalError, JournalReadOnlyError
from controller.journal.store import Journal
from controller.settings.loading import load
from xds.roster import NodeStatus

PATIENCE_S = 20
SETTINGS = """
apiVersion: turnout.dev/v1alpha1
kind: Gateway
metadata: {name: edge}
spec: {type: nop}
---
apiVersion: turnout.dev/v1alpha1
kind: Agent
metadata: {name: bot}
spec:
  gateways: [edge]
  stable: {version: "1.0", endpoints: ["127.0.0.1:3000"]}
"""

OTHER = """
---
apiVersion: turnout.dev/v1alpha1
kind: Agent
metadata: {name: other}
spec:
  gateways: [edge]
  route: {pathPrefix: /other}
  stable: {version: "1.0", endpoints: ["127.0.0.1:3005"]}
"""

ENVOYS = """
---
apiVersion: turnout.dev/v1alpha1
kind: Gateway
metadata: {name: envoys}
spec: {type: envoy, envoy: {listen: "127.0.0.1:10000"}}
"""


@asynccontextmanager
async def running(folder, **options):
    """An app whose ready line has been said, and its API's address."""
    config = folder / "turnout.yaml"
    if not config.exists():
        config.write_text(SETTINGS)
    chosen = Options(config, folder, http=("127.0.0.1", 0), xds=("127.0.0.1", 0), **options)
    app, said = App(chosen, load(config), Journal.open(folder / "journal.sqlite")), asyncio.Event()
    app._say_ready = said.set
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(app.run())
        async with asyncio.timeout(PATIENCE_S):
            await said.wait()
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{app.api.port}") as client:
                yield app, client
        finally:
            app.stop.set()


async def _told(client, path):
    async with client.get(path) as answer:
        return await answer.json()


async def _settings_news(app):
    with app.broadcast.listen() as news:
        async with asyncio.timeout(PATIENCE_S):
            async for item in news:
                if item.what.startswith("settings"):
                    return item
    raise AssertionError


async def test_an_envoy_that_names_no_gateway_of_envoys_is_told_to_operators(tmp_path, monkeypatch):
    (tmp_path / "turnout.yaml").write_text(SETTINGS + ENVOYS)
    held = [NodeStatus(f"at-{group}", group, 1, 0.0, 0, ()) for group in ("edge", "envoys", "evnoys")]
    async with running(tmp_path) as (app, client):
        monkeypatch.setattr(app.xds, "held", lambda: held)
        told = (await _told(client, "/v1/gateways"))["strangers"]
    # One that waits for its gateway's first snapshot is no stranger; one that names a gateway of another kind is.
    assert told == [{"node": "at-edge", "cluster": "edge"}, {"node": "at-evnoys", "cluster": "evnoys"}]


def test_a_name_needs_one_of_its_addresses(monkeypatch):
    there, nowhere = (socket.AF_INET, ("127.0.0.1", 0)), (socket.AF_INET, ("192.0.2.1", 0))
    for found in ([nowhere, there], [there]):
        places = [(family, socket.SOCK_STREAM, 0, "", place) for family, place in found]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, places=places, **__: places)
        controller.app._bind(("door.test", 0))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(nowhere[0], socket.SOCK_STREAM, 0, "", nowhere[1])])
    with pytest.raises(OSError, match="assign requested address"):
        controller.app._bind(("door.test", 0))


def test_an_ipv6_address_is_written_with_brackets():
    assert listen_address(("::1", 80)) == "[::1]:80"
    assert listen_address(("127.0.0.1", 80)) == "127.0.0.1:80"


async def test_it_is_ready_when_it_says_so_and_not_before(tmp_path):
    async with running(tmp_path) as (_, client):
        assert (await _told(client, "/readyz")) == {"status": "ok"}
        assert [agent["name"] for agent in (await _told(client, "/v1/agents"))["agents"]] == ["bot"]


async def test_a_good_change_is_swapped_in_and_a_bad_one_is_refused_whole(tmp_path):
    async with running(tmp_path) as (app, client):
        before = await _told(client, "/v1/settings")
        async with asyncio.TaskGroup() as tasks:
            heard = tasks.create_task(_settings_news(app))
            await asyncio.sleep(0)
            (tmp_path / "turnout.yaml").write_text(SETTINGS.replace("3000", "nowhere"))
        assert heard.result().what == "settings-refused"
        told = await _told(client, "/v1/settings")
        assert told["digest"] == before["digest"], "a bad file has changed what runs"
        assert "turnout.yaml" in told["refused"][0], "an operator could not find the fault"
        async with asyncio.TaskGroup() as tasks:
            heard = tasks.create_task(_settings_news(app))
            await asyncio.sleep(0)
            (tmp_path / "turnout.yaml").write_text(SETTINGS + OTHER)
        assert heard.result().what == "settings"
        assert len((await _told(client, "/v1/agents"))["agents"]) == 2
        assert (await _told(client, "/v1/settings"))["refused"] == []


async def _changed(app, folder, text):
    """Save the file, and hear what came of it."""
    async with asyncio.TaskGroup() as tasks:
        heard = tasks.create_task(_settings_news(app))
        await asyncio.sleep(0)
        (folder / "turnout.yaml").write_text(text)
    return heard.result()


async def test_a_file_that_meets_a_fault_of_ours_ends_nothing(tmp_path, monkeypatch, caplog):
    async with running(tmp_path) as (app, client):

        async def fail(_roster):
            raise KeyError("a bug")

        with monkeypatch.context() as patch:
            patch.setattr(app.fleet, "configure", fail)
            assert (await _changed(app, tmp_path, SETTINGS + OTHER)).what == "settings-refused"
        assert "a bug" in caplog.text
        assert [agent["name"] for agent in (await _told(client, "/v1/agents"))["agents"]] == ["bot"]
        assert (await _changed(app, tmp_path, SETTINGS.replace("3000", "3009"))).what == "settings"


async def test_settings_that_failed_for_a_moment_are_tried_again(tmp_path, monkeypatch):
    monkeypatch.setattr(controller.app, "ADOPT_RETRY_S", 0.0)
    async with running(tmp_path) as (app, client):
        configure, failures = app.fleet.configure, [JournalError("The disk cannot be read.")]

        async def fail_once(roster):
            if failures:
                raise failures.pop()
            await configure(roster)

        monkeypatch.setattr(app.fleet, "configure", fail_once)
        with app.broadcast.listen() as news:
            (tmp_path / "turnout.yaml").write_text(SETTINGS + OTHER)
            async with asyncio.timeout(PATIENCE_S):
                said = [item.what async for item in _until_settings(news)]
        assert said == ["settings-refused", "settings"], "the file would have to be saved again, and nobody says so"
        assert len((await _told(client, "/v1/agents"))["agents"]) == 2


async def _until_settings(news):
    async for item in news:
        if item.what.startswith("settings"):
            yield item
        if item.what == "settings":
            return


async def test_a_stop_is_heard_before_everything_is_up(tmp_path, monkeypatch):
    (tmp_path / "turnout.yaml").write_text(SETTINGS)
    options = Options(tmp_path / "turnout.yaml", tmp_path, http=("127.0.0.1", 0), xds=("127.0.0.1", 0))
    app = App(options, load(options.config), Journal.open(tmp_path / "journal.sqlite"))
    bringing_up = asyncio.Event()

    async def hang(_roster):
        bringing_up.set()
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(app.fleet, "configure", hang)
    app._say_ready = lambda: pytest.fail("it said that it is ready")
    async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(app.run())
        await bringing_up.wait()
        app.stop.set()


async def test_what_an_operator_did_is_there_after_a_restart(tmp_path):
    candidate = {"version": "1.1", "endpoints": ["127.0.0.1:3001"]}
    async with running(tmp_path) as (_, client):
        async with client.put("/v1/agents/bot/candidate", json=candidate) as answer:
            assert answer.status == 200
        async with client.put("/v1/agents/bot/split", json={"candidate_percent": 12.34}) as answer:
            assert answer.status == 200
    async with running(tmp_path) as (_, client):
        bot = await _told(client, "/v1/agents/bot")
        assert bot["wanted"]["candidate_percent"] == 12.34, "a restart has forgotten an operator's split"


async def test_settings_that_would_open_the_api_to_everybody_are_refused(tmp_path):
    async with running(tmp_path) as (app, client):
        app.api.host = "0.0.0.0"
        async with asyncio.TaskGroup() as tasks:
            heard = tasks.create_task(_settings_news(app))
            await asyncio.sleep(0)
            (tmp_path / "turnout.yaml").write_text(SETTINGS.replace("3000", "3009"))
        assert heard.result().what == "settings-refused", "tokens were taken away, and everybody could steer"
        assert (await _told(client, "/v1/settings"))["refused"]


async def test_an_address_that_is_taken_is_a_clear_error(tmp_path):
    (tmp_path / "other").mkdir()
    async with running(tmp_path) as (app, _):
        taken = Options(tmp_path / "turnout.yaml", tmp_path, http=("127.0.0.1", app.api.port), xds=("127.0.0.1", 0))
        second = App(taken, app.settings, Journal.open(tmp_path / "other" / "journal.sqlite"))
        with pytest.RaisesGroup(pytest.RaisesExc(TurnoutError, match="cannot listen")):
            await second.run()


async def test_an_xds_address_that_is_taken_is_a_clear_error(tmp_path):
    (tmp_path / "other").mkdir()
    async with running(tmp_path) as (app, _):
        taken = Options(tmp_path / "turnout.yaml", tmp_path, http=("127.0.0.1", 0), xds=("127.0.0.1", app.xds.port))
        second = App(taken, app.settings, Journal.open(tmp_path / "other" / "journal.sqlite"))
        with pytest.RaisesGroup(pytest.RaisesExc(TurnoutError, match=r"Cannot listen on .* --xds")) as caught:
            await second.run()
    assert caught.value.exceptions[0].code == "xds-cannot-listen", "docs/errors.md promises this code"


@pytest.mark.parametrize("door", ["http", "xds"])
async def test_one_that_cannot_start_has_told_no_gateway_anything(tmp_path, monkeypatch, door):
    """A second controller beside the first would set its gateways back before it finds out."""
    (tmp_path / "other").mkdir()
    async with running(tmp_path) as (app, _):
        port = {"http": app.api.port, "xds": app.xds.port}[door]
        free = ("127.0.0.1", 0)
        doors = {"http": free, "xds": free, door: ("127.0.0.1", port)}
        taken = Options(tmp_path / "turnout.yaml", tmp_path, **doors)
        second = App(taken, app.settings, Journal.open(tmp_path / "other" / "journal.sqlite"))
        monkeypatch.setattr(second.fleet, "run", lambda *_: pytest.fail("gateways were told something"))
        with pytest.RaisesGroup(pytest.RaisesExc(TurnoutError)):
            await second.run()


def test_a_state_directory_that_cannot_be_made_is_a_clear_error(tmp_path):
    (tmp_path / "turnout.yaml").write_text(SETTINGS)
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalReadOnlyError, match="--state-dir"):
        serve(Options(tmp_path / "turnout.yaml", tmp_path / "file" / "state"))
