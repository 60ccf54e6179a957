import asyncio
import itertools
import socket
import threading

import pytest

from adapters import names as module
from adapters.names import LOOKUPS_MAX, AddressBook, endpoints_of, is_address, joined, look_up
from adapters.port import Assignment, Route, Split, Version

WAIT_S = 20.0


async def test_names_that_no_server_answers_leave_others_a_thread(monkeypatch):
    given_up = threading.Event()

    def resolver(host, port, **_):
        if host.startswith("dead"):
            given_up.wait(WAIT_S)
            raise OSError("no answer")
        return [(None, None, None, None, ("10.0.0.1", port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    try:
        async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as tasks:
            dead = [tasks.create_task(look_up(f"dead{number}.test", 80)) for number in range(LOOKUPS_MAX - 1)]
            await asyncio.sleep(0)
            assert await look_up("a.test", 80) == ("10.0.0.1",)
            assert not any(lookup.done() for lookup in dead)
            for lookup in dead:
                lookup.cancel()
    finally:
        given_up.set()


async def test_the_systems_resolver_is_asked():
    assert "127.0.0.1" in await look_up("localhost", 80)
    with pytest.raises(OSError, match=r"."):
        await look_up("turnout.invalid", 80)


def test_every_endpoint_of_every_version_is_known():
    old, new, gone = (Version(name, (f"{name}:1", f"{name}:2")) for name in ("old", "new", "gone"))
    assignment = Assignment("bot", Route(), old, new, Split(10), (gone,))
    assert endpoints_of(assignment) == ["old:1", "old:2", "new:1", "new:2", "gone:1", "gone:2"]


@pytest.mark.parametrize(("host", "answer"), [("10.0.0.1", True), ("::1", True), ("a.test", False), ("", False)])
def test_an_address_needs_nobody(host, answer):
    assert is_address(host) is answer


def test_an_ipv6_address_is_written_with_brackets():
    assert joined("::1", 80) == "[::1]:80"
    assert joined("10.0.0.1", 80) == "10.0.0.1:80"


class Resolver:
    """Knows some names; about a name without addresses it is silent."""

    def __init__(self, **known: list[str]) -> None:
        self.known = {name.replace("_", "."): found for name, found in known.items()}
        self.asked: list[str] = []
        self.at_once = self.most = 0

    async def __call__(self, host, port):
        self.asked.append(host)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        try:
            await asyncio.sleep(0)
            if host in self.known and not self.known[host]:
                await asyncio.Event().wait()
        finally:
            self.at_once -= 1
        if host not in self.known:
            raise OSError("no such host")
        return self.known[host]


async def test_addresses_are_taken_as_they_are():
    resolver = Resolver()
    book = AddressBook(resolver)
    assert await book.learn(["10.1.2.3:80", "[2001:db8::1]:81"], WAIT_S, again=True) == []
    assert book.known == {"10.1.2.3:80": ("10.1.2.3:80",), "[2001:db8::1]:81": ("[2001:db8::1]:81",)}
    assert await book.learn(["10.1.2.3:80"], WAIT_S, again=True) == []
    assert resolver.asked == []


async def test_an_address_is_noted_without_a_word_to_anybody_and_a_name_is_not():
    book = AddressBook(Resolver())
    book.note(["10.1.2.3:80", "a.test:80"])
    assert book.of(["10.1.2.3:80", "a.test:80"]) == {"10.1.2.3:80": ("10.1.2.3:80",), "a.test:80": ()}
    assert book.missing(["10.1.2.3:80", "a.test:80"]) == ["a.test:80"]


async def test_names_are_looked_up_once_and_again_only_when_asked():
    resolver = Resolver(a_test=["10.0.0.1"])
    book = AddressBook(resolver)
    assert await book.learn(["a.test:80", "a.test:80"], WAIT_S) == []
    assert await book.learn(["a.test:80"], WAIT_S) == []
    assert resolver.asked == ["a.test"], "a rollback would wait for a resolver"
    resolver.known["a.test"] = ["10.0.0.3", "10.0.0.2"]
    await book.learn(["a.test:80"], WAIT_S, again=True)
    assert book.known["a.test:80"] == ("10.0.0.2:80", "10.0.0.3:80"), "answers in another order would be a change"


@pytest.mark.parametrize("change", [lambda known: known.clear(), lambda known: known.update({"a.test": ()})])
async def test_a_name_that_stops_resolving_keeps_its_addresses(change):
    resolver = Resolver(a_test=["10.0.0.1"])
    book = AddressBook(resolver)
    await book.learn(["a.test:80"], WAIT_S)
    change(resolver.known)
    await book.learn(["a.test:80"], 0.02, again=True)
    assert book.known["a.test:80"] == ("10.0.0.1:80",), "a resolver's bad moment took an agent away"


async def test_what_does_not_resolve_is_told_and_tried_again():
    resolver = Resolver(a_test=["10.0.0.1"])
    book = AddressBook(resolver)
    assert book.unasked(["b.test:80"]) == ["b.test:80"]
    assert await book.learn(["b.test:80", "a.test:80"], WAIT_S) == ["b.test:80 does not resolve: no such host"]
    assert book.unasked(["a.test:80", "b.test:80"]) == [], "a way back would ask again what was asked in vain"
    resolver.known["b.test"] = ["10.0.0.9"]
    assert await book.learn(["b.test:80"], WAIT_S) == []


async def test_an_answer_without_an_address_is_none():
    async def empty(host, port):
        return ()

    book = AddressBook(empty)
    assert await book.learn(["a.test:80"], WAIT_S) == ["a.test:80 does not resolve: it has no address"]
    assert book.known == {}, "a version without servers would be served"


async def test_names_wait_for_no_other_and_for_no_resolver_that_hangs(monkeypatch):
    monkeypatch.setattr(module, "LOOKUPS_MAX", 2)
    book = AddressBook(Resolver(dead_test=[], a_test=["10.0.0.1"]))
    async with asyncio.timeout(WAIT_S):
        dead = [f"dead.test:{port}" for port in range(1, 200)]
        problems = await book.learn([dead[0], "a.test:80", *dead], 0.05)
    assert problems == [f"{name} does not resolve: no answer within 0.05 s" for name in dead]
    assert book.known == {"a.test:80": ("10.0.0.1:80",)}, "one dead name kept the others' addresses"


async def test_many_names_are_looked_up_at_once_but_not_all():
    resolver = Resolver(**{f"a{number}_test": ["10.0.0.1"] for number in range(200)})
    await AddressBook(resolver).learn((f"a{number}.test:80" for number in range(200)), WAIT_S)
    assert resolver.most == LOOKUPS_MAX


async def test_a_name_whose_answers_rotate_is_no_change_each_time():
    answers = itertools.cycle([["10.0.0.1", "10.0.0.2"], ["10.0.0.3", "10.0.0.4"], ["10.0.0.2", "10.0.0.3"]])

    async def rotate(host, port):
        return next(answers)

    now_s = itertools.count(0, 5)
    book, found = AddressBook(rotate, now_s=lambda: next(now_s)), []
    for _ in range(30):
        await book.learn(["a.test:80"], WAIT_S, again=True)
        found.append(book.known["a.test:80"])
    assert len(set(found[3:])) == 1, "every five seconds sessions lose an instance that is still there"


async def test_the_book_forgets_what_nobody_uses(monkeypatch):
    monkeypatch.setattr(module, "SWEPT_FROM", 4)
    book = AddressBook(Resolver())
    await book.learn(["10.0.0.1:80", "b.test:80", "c.test:80", "d.test:80"], WAIT_S)
    assert len(book) == 3
    book.sweep(lambda: pytest.fail("it is gone through although there is little in it"))
    await book.learn(["10.0.0.2:80", "e.test:80"], WAIT_S)
    book.sweep(lambda: ["10.0.0.2:80", "b.test:80"])
    assert list(book.known) == ["10.0.0.2:80"]
    assert len(book) == 1, "names that do not resolve are remembered for ever"
