"""Whether a track that takes no new requests may be left."""

import enum


class Drain(enum.StrEnum):
    """What to do about requests in flight."""

    WAIT = "wait"
    DONE = "done"
    FORCE = "force"


def decide(in_flight: int | None, now_s: float, deadline_s: float) -> Drain:
    """Wait while requests are in flight and the deadline (on the clock of `now_s`) has not come; then force.

    `in_flight` is None when a gateway cannot say: absent is not zero, so that waits as well.
    """
    if in_flight == 0:
        return Drain.DONE
    return Drain.WAIT if now_s < deadline_s else Drain.FORCE
