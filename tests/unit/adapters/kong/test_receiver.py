import io

import aiohttp
import pytest

from adapters.kong import receiver as module
from adapters.kong.receiver import Receiver


@pytest.fixture
async def receiver():
    taken = []
    found = Receiver("127.0.0.1", 0, taken.append)
    found.taken = taken
    await found.open()
    yield found
    await found.close()


async def post(receiver, data):
    url = f"http://127.0.0.1:{receiver.port}/any/path"
    async with aiohttp.ClientSession() as client, client.post(url, data=io.BytesIO(data)) as answer:
        return answer.status


async def test_one_entry_or_many_are_taken(receiver):
    assert await post(receiver, b'{"a": 1}') == 200
    assert await post(receiver, b'[{"a": 2}, {"a": 3}]') == 200
    assert receiver.taken == [{"a": 1}, {"a": 2}, {"a": 3}]


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000])
async def test_what_is_no_json_is_refused(receiver, data):
    assert await post(receiver, data) == 400
    assert receiver.taken == []


async def test_a_body_has_a_bound(receiver, monkeypatch):
    monkeypatch.setattr(module, "ENTRIES_MAX", 3)
    assert await post(receiver, b"[1,2,3,4,5]") == 200
    assert receiver.taken == [1, 2, 3]
    assert await post(receiver, b" " * (module.BODY_BYTES_MAX + 1)) == 413


async def test_a_port_that_is_taken_is_told_and_can_be_tried_again(receiver):
    second = Receiver("127.0.0.1", receiver.port, print)
    with pytest.raises(OSError, match="address already in use"):
        await second.open()
    assert not second.is_open
    await receiver.close()
    assert not receiver.is_open
