"""Append for ever, and say on standard output which records are on disk. Somebody will kill this program."""

import asyncio
import sys
from pathlib import Path

from controller.journal.store import Journal
from controller.journal.writer import AsyncJournal


def say(seq: int) -> None:
    sys.stdout.write(f"{seq}\n")
    sys.stdout.flush()


async def together(journal: AsyncJournal) -> None:
    async def one(place: int) -> None:
        while True:
            say((await journal.append(f"bot-{place}", "k", {"filling": "x" * 300}, actor="ann", at_s=1)).seq)

    async with asyncio.TaskGroup() as group:
        for place in range(8):
            group.create_task(one(place))


def main() -> None:
    path, how = Path(sys.argv[1]), sys.argv[2]
    journal = Journal.open(path)
    if how == "together":
        asyncio.run(together(AsyncJournal(journal)))
    while True:
        say(journal.append("bot", "k", {"filling": "x" * 300}, actor="ann", at_s=1).seq)


main()
