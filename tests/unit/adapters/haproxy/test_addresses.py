import asyncio
from dataclasses import replace

from adapters.haproxy import addresses
from adapters.haproxy.addresses import AddressBook
from adapters.names import endpoints_of
from adapters.port import Assignment, Route, Split, Version

WANTED = Assignment("bot", Route(), Version("1", ("old:1", "10.0.0.1:1")), Version("2", ("new:2",)), Split(10))


class Resolver:
    """Knows some names; a name without addresses is never answered."""

    def __init__(self, **names):
        self.names = names
        self.asked = []

    async def __call__(self, host, _port):
        self.asked.append(host)
        if host not in self.names:
            raise OSError(host)
        if not self.names[host]:
            await asyncio.Event().wait()
        return self.names[host]


async def test_names_are_looked_up_once_and_again_when_asked_to():
    resolver = Resolver(old=["10.0.0.2", "::1"])
    book = AddressBook(resolver)
    for again in (False, False, True):
        await book.learn(["old:1", "10.0.0.1:1", "[::2]:3", "nowhere:1"], again=again)
    assert book.known == {
        "old:1": ("10.0.0.2:1", "[::1]:1"),
        "10.0.0.1:1": ("10.0.0.1:1",),
        "[::2]:3": ("[::2]:3",),
    }
    assert resolver.asked.count("old") == 2
    assert resolver.asked.count("nowhere") == 3, "a name without addresses is not tried again"


async def test_a_name_that_stops_resolving_keeps_its_addresses():
    resolver = Resolver(old=["10.0.0.2"])
    book = AddressBook(resolver)
    await book.learn(["old:1"])
    del resolver.names["old"]
    await book.learn(["old:1"], again=True)
    assert book.known == {"old:1": ("10.0.0.2:1",)}


async def test_names_wait_for_no_other_and_for_no_resolver_that_hangs(monkeypatch):
    monkeypatch.setattr(addresses, "LOOKUP_TIMEOUT_S", 0.05)
    monkeypatch.setattr(addresses, "LOOKUPS_MAX", 2)
    book = AddressBook(Resolver(hangs=[], quick=["10.0.0.2"]))
    async with asyncio.timeout(5.0):
        await book.learn(["hangs:1", "quick:1", *(f"hangs:{port}" for port in range(2, 200))])
    assert book.known == {"quick:1": ("10.0.0.2:1",)}, "a name that hangs held another up"


async def test_a_track_without_any_address_is_told_by_its_names():
    book = AddressBook(Resolver())
    await book.learn(endpoints_of(WANTED))
    assert book.nameless(WANTED) == ["new:2"], "one of stable's two endpoints is enough"
    assert book.nameless(replace(WANTED, split=Split())) == [], "a way back needs no candidate"
    assert AddressBook(Resolver()).nameless(WANTED) == ["old:1", "10.0.0.1:1", "new:2"]
