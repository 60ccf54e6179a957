import asyncio

from adapters.envoy.addresses import LOOKUPS_MAX, AddressBook, look_up


class Resolver:
    def __init__(self) -> None:
        self.known = {"a.test": ("10.0.0.1",)}
        self.asked: list[str] = []
        self.at_once = self.most = 0

    async def __call__(self, host, port):
        self.asked.append(host)
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if host not in self.known:
            raise OSError("no such host")
        return tuple((address, port) for address in self.known[host])


WAIT_S = 10.0


async def test_addresses_are_taken_as_they_are():
    resolver = Resolver()
    book = AddressBook(resolver)
    assert await book.learn(["10.1.2.3:80", "[2001:db8::1]:81"], WAIT_S) == []
    assert book.addresses == {"10.1.2.3:80": (("10.1.2.3", 80),), "[2001:db8::1]:81": (("2001:db8::1", 81),)}
    await book.learn_again(["10.1.2.3:80"], WAIT_S)
    assert resolver.asked == []


async def test_an_address_is_noted_without_a_word_to_anybody_and_a_name_is_not():
    book = AddressBook(Resolver())
    book.note(["10.1.2.3:80", "a.test:80"])
    assert book.of(["10.1.2.3:80", "a.test:80"]) == {"10.1.2.3:80": (("10.1.2.3", 80),), "a.test:80": ()}
    assert book.missing(["10.1.2.3:80", "a.test:80"]) == ["no address of a.test:80 is known"]


async def test_names_are_looked_up_once_and_again_only_when_asked():
    resolver = Resolver()
    book = AddressBook(resolver)
    assert await book.learn(["a.test:80", "a.test:80"], WAIT_S) == []
    assert await book.learn(["a.test:80"], WAIT_S) == []
    assert resolver.asked == ["a.test"]
    resolver.known["a.test"] = ("10.0.0.2", "10.0.0.3")
    await book.learn_again(["a.test:80"], WAIT_S)
    assert book.addresses["a.test:80"] == (("10.0.0.2", 80), ("10.0.0.3", 80))


async def test_a_name_that_stops_resolving_keeps_its_addresses():
    resolver = Resolver()
    book = AddressBook(resolver)
    await book.learn(["a.test:80"], WAIT_S)
    resolver.known.clear()
    await book.learn_again(["a.test:80"], WAIT_S)
    assert book.addresses["a.test:80"] == (("10.0.0.1", 80),), "a resolver's bad moment took an agent away"


async def test_what_does_not_resolve_is_told_and_tried_again():
    resolver = Resolver()
    book = AddressBook(resolver)
    assert book.unasked(["b.test:80"]) == ["b.test:80"]
    assert await book.learn(["b.test:80", "a.test:80"], WAIT_S) == ["b.test:80 does not resolve: no such host"]
    assert book.unasked(["a.test:80", "b.test:80"]) == [], "a way back would ask again what was asked in vain"
    resolver.known["b.test"] = ("10.0.0.9",)
    assert await book.learn(["b.test:80"], WAIT_S) == []


async def test_a_name_that_nobody_answers_for_holds_no_other_up():
    async def silent_about_dead(host, port):
        if host == "dead.test":
            await asyncio.Event().wait()
        return (("10.0.0.1", port),)

    book = AddressBook(silent_about_dead)
    problems = await book.learn(["dead.test:80", "a.test:80"], 0.05)
    assert problems == ["dead.test:80 does not resolve: no answer within 0.05 s"]
    assert list(book.addresses) == ["a.test:80"], "one dead name kept the others' addresses"


async def test_many_names_are_looked_up_at_once_but_not_all():
    resolver = Resolver()
    await AddressBook(resolver).learn((f"{number}.test:80" for number in range(200)), WAIT_S)
    assert resolver.most == LOOKUPS_MAX


async def test_the_book_forgets_what_nobody_uses():
    book = AddressBook(Resolver())
    await book.learn(["10.0.0.1:80", "10.0.0.2:80", "b.test:80", "c.test:80", "d.test:80"], WAIT_S)
    assert len(book) == 3
    book.keep(["10.0.0.2:80", "b.test:80"])
    assert list(book.addresses) == ["10.0.0.2:80"]
    assert len(book) == 1, "names that do not resolve are remembered for ever"


async def test_the_systems_resolver_is_asked():
    assert ("127.0.0.1", 80) in await look_up("localhost", 80)
