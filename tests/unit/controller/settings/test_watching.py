"""On the real file system, and without sleeping: each test changes something and waits for what is told."""

import asyncio
import contextlib

import pytest

from controller.settings import watching
from controller.settings.loading import Settings, load
from controller.settings.problem import SettingsError

ANSWER_S = 20


def gateway(name):
    spec = '{type: envoy, envoy: {listen: "0.0.0.0:10000"}}'
    return f"apiVersion: turnout.dev/v1alpha1\nkind: Gateway\nmetadata: {{name: {name}}}\nspec: {spec}\n"


class Watch:
    """What a caller of watch() hears, one item at a time."""

    def __init__(self, path, since=None):
        self.stop = asyncio.Event()
        self.items = watching.watch(path, self.stop, since=since)

    async def heard(self):
        item = await asyncio.wait_for(anext(self.items), ANSWER_S)
        return list(item.gateways) if isinstance(item, Settings) else item

    async def refused(self):
        item = await self.heard()
        assert isinstance(item, SettingsError), "a bad change must be reported"
        return str(item)


@pytest.fixture
async def watch():
    async with contextlib.AsyncExitStack() as stack:

        def begin(path, since=None):
            begun = Watch(path, since)
            stack.push_async_callback(begun.items.aclose)
            return begun

        yield begin


async def test_a_file_that_is_written_in_place(tmp_path, watch):
    file = tmp_path / "turnout.yaml"
    file.write_text(gateway("one"))
    seen = watch(file)
    assert await seen.heard() == ["one"]
    file.write_text(gateway("two"))
    assert await seen.heard() == ["two"], "a change to the file would be missed"


async def test_an_editor_that_writes_by_rename(tmp_path, watch):
    file, draft = tmp_path / "turnout.yaml", tmp_path / ".turnout.yaml.swp"
    file.write_text(gateway("one"))
    seen = watch(file)
    assert await seen.heard() == ["one"]
    for name in ("two", "three"):
        draft.write_text(gateway(name))
        draft.replace(file)
        assert await seen.heard() == [name], "only the first save of an editor would be seen"


async def test_a_configmap_whose_link_is_swapped(tmp_path, watch):
    mount = tmp_path / "mount"
    for generation in ("one", "two", "three"):
        (mount / f"..{generation}").mkdir(parents=True)
        (mount / f"..{generation}" / "edge.yaml").write_text(gateway(generation))
    (mount / "..data").symlink_to("..one")
    (mount / "edge.yaml").symlink_to("..data/edge.yaml")
    whole, single = watch(mount), watch(mount / "edge.yaml")
    assert await whole.heard() == await single.heard() == ["one"]
    for generation in ("two", "three"):
        (mount / "..data_tmp").symlink_to(f"..{generation}")
        (mount / "..data_tmp").replace(mount / "..data")
        assert await whole.heard() == await single.heard() == [generation], "kubectl apply would change nothing"


async def test_a_bad_change_is_told_and_the_way_back_too(tmp_path, watch):
    file = tmp_path / "turnout.yaml"
    file.write_text(gateway("one"))
    seen = watch(file)
    assert await seen.heard() == ["one"]
    file.write_text("kind: [")
    assert "This is not YAML" in await seen.refused()
    file.write_text(gateway("one"))
    assert await seen.heard() == ["one"], "the error would stand for ever although the file is mended"


async def test_a_file_that_is_deleted_and_made_again(tmp_path, watch):
    file = tmp_path / "turnout.yaml"
    file.write_text(gateway("one"))
    seen = watch(file)
    assert await seen.heard() == ["one"]
    file.unlink()
    assert "cannot be read" in await seen.refused()
    file.write_text(gateway("two"))
    assert await seen.heard() == ["two"]


async def test_a_directory_that_vanishes_and_returns(tmp_path, watch):
    directory = tmp_path / "above" / "settings"
    directory.mkdir(parents=True)
    (directory / "a.yaml").write_text(gateway("one"))
    seen = watch(directory)
    assert await seen.heard() == ["one"]
    (tmp_path / "above").rename(tmp_path / "away")
    assert "cannot be read" in await seen.refused()
    (tmp_path / "away").rename(tmp_path / "above")
    assert await seen.heard() == ["one"]
    (directory / "b.yml").write_text(gateway("two"))
    assert await seen.heard() == ["one", "two"], "after its return the directory would not be watched any more"


async def test_a_change_of_words_only_is_not_told(tmp_path, watch):
    file = tmp_path / "turnout.yaml"
    file.write_text(gateway("one"))
    seen = watch(file, since=load(file))
    file.write_text("# a comment\n" + gateway("one"))
    async with asyncio.TaskGroup() as tasks:
        heard = tasks.create_task(seen.heard())
        (tmp_path / "notes.txt").write_text("not ours")
        file.write_text(gateway("two"))
    assert heard.result() == ["two"], "agents would be touched for nothing"


async def test_a_change_since_the_caller_loaded_is_told_at_once(tmp_path, watch):
    file = tmp_path / "turnout.yaml"
    file.write_text(gateway("one"))
    before = load(file)
    file.write_text(gateway("two"))
    assert await watch(file, since=before).heard() == ["two"], "a change during the start would be lost"


async def test_it_ends_when_it_is_told_to(tmp_path, watch):
    seen = watch(tmp_path)
    assert "holds no *.yaml" in await seen.refused()
    seen.stop.set()
    with pytest.raises(StopAsyncIteration):
        await seen.heard()


async def test_a_cancelled_watch_does_not_stop_its_caller(tmp_path, watch):
    seen = watch(tmp_path)
    await seen.refused()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(seen.items), 0.1)  # nothing changes, so it is cancelled in the midst of watching
    assert not seen.stop.is_set(), "one watcher's end would end the whole program"


async def test_without_notifications_it_looks_again_by_itself(tmp_path, watch, monkeypatch):
    def none_left(*_, **__):
        raise OSError("no inotify watches left")

    monkeypatch.setattr(watching, "awatch", none_left)
    monkeypatch.setattr(watching, "POLL_MS", 10)
    file = tmp_path / "turnout.yaml"
    file.write_text(gateway("one"))
    seen = watch(file)
    assert await seen.heard() == ["one"]
    file.write_text(gateway("two"))
    assert await seen.heard() == ["two"], "settings would never change on such a machine"
