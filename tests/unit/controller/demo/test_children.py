"""The processes of the demo: none outlives it, and one that fails says why."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys

import pytest

from controller.demo.children import ChildError, Children, end, free_ports, in_words, tail

DEAF = "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); sys.stdin.read()"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {DEAF!r}])"
SLOW = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: print("ending", flush=True))
print("up", flush=True)
sys.stdin.read()
"""
WAIT_S = 20.0


def python(code):
    return [sys.executable, "-c", code]


async def test_every_child_is_ended_with_the_block(tmp_path):
    async with Children(tmp_path) as children:
        one = await children.start("one", python("import sys; sys.stdin.read()"), piped=True)
        two = await children.start("two", python("import signal; signal.pause()"))
        assert one.process.returncode is None
    assert one.process.returncode is not None, "a process would outlive the demo"
    assert two.process.returncode is not None, "a process would outlive the demo"


async def test_children_are_ended_when_the_demo_fails(tmp_path):
    started = []

    async def fail_in_the_middle():
        async with Children(tmp_path) as children:
            started.append(await children.start("one", python("import signal; signal.pause()")))
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        await fail_in_the_middle()
    assert started[0].process.returncode is not None, "a process would outlive the demo"


async def test_a_child_that_does_not_listen_is_killed_at_the_deadline(tmp_path):
    async with Children(tmp_path) as children:
        child = await children.start("deaf", python(DEAF), piped=True)
        assert await child.process.stdout.readline() == b"up\n"
        await end([child.process], deadline_s=0.0)
        assert in_words(child.process.returncode) == "killed by SIGKILL"


async def test_what_a_child_has_started_is_killed_with_it(tmp_path):
    async with Children(tmp_path) as children:
        child = await children.start(
            "parent", python(f"import signal; signal.signal(15, signal.SIG_IGN); {PARENT}"), piped=True
        )
        assert await child.process.stdout.readline() == b"up\n"
        await end([child.process], deadline_s=0.0)
        async with asyncio.timeout(WAIT_S):
            assert await child.process.stdout.read() == b"", "a worker would outlive its master, and the demo"


@contextlib.asynccontextmanager
async def ending(folder):
    """Three children that do not end when they are asked to, and the task that is ending them."""
    started, are_up = [], asyncio.Event()

    async def live():
        async with Children(folder) as children:
            for name in ("one", "two", "three"):
                started.append(await children.start(name, python(SLOW), piped=True))
                assert await started[-1].process.stdout.readline() == b"up\n"
            are_up.set()

    async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
        task = group.create_task(live())
        await are_up.wait()
        try:
            for _ in range(3):
                task.cancel()
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            yield task, started
        finally:
            for child in started:
                if child.process.returncode is None:
                    child.process.kill()
                    await child.process.wait()


async def test_a_ctrl_c_while_the_demo_is_ending_leaves_no_process(tmp_path, monkeypatch):
    monkeypatch.setattr("controller.demo.children.STOP_DEADLINE_S", WAIT_S)
    async with ending(tmp_path) as (task, started):
        for child in started:
            assert await child.process.stdout.readline() == b"ending\n"
        assert not task.done(), "it would say that everything has been ended, and it has not"
        for child in started:
            child.process.stdin.close()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [child.process.returncode for child in started] == [0, 0, 0], "a process would outlive the demo"


async def test_a_ctrl_c_does_not_keep_a_child_from_being_killed_at_the_deadline(tmp_path, monkeypatch):
    monkeypatch.setattr("controller.demo.children.STOP_DEADLINE_S", 0.2)
    async with ending(tmp_path) as (task, started):
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [child.process.returncode for child in started] == [-9, -9, -9], "a process would outlive the demo"


async def test_a_child_that_ends_by_itself_is_noticed_with_its_last_words(tmp_path):
    async with Children(tmp_path) as children:
        await children.start("fine", python("import signal; signal.pause()"))
        await children.start("the gateway", python("raise SystemExit('no such option')"))
        with pytest.raises(ExceptionGroup) as caught:
            await children.watch()
    (error,) = caught.value.exceptions
    assert isinstance(error, ChildError)
    assert "the gateway ended by itself, with exit code 1" in str(error)
    assert "no such option" in str(error), "nobody would know why"
    assert str(tmp_path / "the-gateway.log") in str(error), "nobody would find the rest"


async def test_trouble_is_looked_for_and_not_made_up(tmp_path, monkeypatch):
    monkeypatch.setattr("controller.demo.children.TROUBLE_S", 0.0)
    async with Children(tmp_path) as children:
        await children.start("fine", python("import signal; signal.pause()"))
        await children.look_for_trouble()
        monkeypatch.setattr("controller.demo.children.TROUBLE_S", 10.0)
        await children.start("gone", python("raise SystemExit(3)"))
        with pytest.raises(ExceptionGroup) as caught:
            await children.look_for_trouble()
    assert "gone ended by itself, with exit code 3" in str(caught.value.exceptions[0])


async def test_a_program_that_is_not_there_is_told(tmp_path):
    async with Children(tmp_path) as children:
        with pytest.raises(ChildError, match="Envoy could not be started"):
            await children.start("Envoy", [tmp_path / "nothing"])


def test_a_tail_is_short(tmp_path):
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(10_000)))
    lines = tail(log).splitlines()
    assert len(lines) == 15
    assert lines[-1] == "line 9999"


def test_ports_are_free_and_different():
    ports = free_ports(4)
    assert len(set(ports)) == 4
    for port in ports:
        with socket.create_server(("127.0.0.1", port)):
            pass
