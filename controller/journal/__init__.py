"""The append-only record of every event and decision; the only source of truth.

`records`   what a record is: canonical form, limits, chain of digests (pure)
`store`     the SQLite file: append with fsync, read by pages, verify
`writer`    the same for asyncio: one thread, appends that wait together share one fsync
`backlog`   what could not be written, kept in memory and written late (pure)
`schema`    tables, triggers, what an SQLite error means in our words
`anchor`    the last record's digest in a small file beside the journal
`lock`      one controller per journal
`history`   one line per record, for people

What the chain proves, and what it does not. Each record carries the digest of the one before, so that a record which
was changed, taken out or put in shows. A chain alone cannot show that its last records are gone: for that the anchor
keeps the last digest in a second file. The anchor is written after each commit and may lag behind (a crash, a full
disk); the journal being *behind* its anchor is the alarm. Whoever can write both files can forge both; keep a copy of
the anchor, or of `turnout history --output json`, on another machine when that matters.
"""
