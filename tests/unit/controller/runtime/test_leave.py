from dataclasses import replace

import pytest

from adapters.port import Applied, GatewayError, Split
from controller.runtime.leave import LAST_WORD_S, RETRY_S, forget, send_back
from tests.sim.clock import now_s
from tests.unit.controller.runtime.stage import AGENT, Gateway, assignment, never

AWAY = GatewayError("edge", "unreachable", "no answer", retryable=True)


@pytest.mark.parametrize("trouble", [AWAY, ZeroDivisionError("a bug")])
async def test_a_gateway_is_asked_until_it_has_forgotten(trouble):
    edge, began_s = Gateway("edge"), now_s()
    edge.answers += [trouble, Applied.CONFIRMED, trouble]
    await forget(edge, AGENT, assignment(5_000))
    assert edge.removed == [AGENT] * 2
    assert edge.shares[-1] == 0, "an adapter that was made since would know nothing of the agent, and forget nothing"
    assert now_s() - began_s == pytest.approx(2 * RETRY_S)


async def test_what_is_sent_back_keeps_its_candidate_for_what_is_in_flight():
    edge = Gateway("edge")
    await send_back(edge, assignment(5_000))
    assert edge.held[AGENT] == replace(assignment(), split=Split())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Applied.REFUSED, "its own words"),
        (AWAY, "no answer"),
        (never, "no answer"),
        (ZeroDivisionError("a bug"), "a bug"),
    ],
)
async def test_that_it_cannot_be_sent_back_is_said_and_waits_for_nobody(caplog, answer, words):
    edge, began_s = Gateway("edge"), now_s()
    edge.answers.append(answer)
    await send_back(edge, assignment(5_000))
    assert "let go of with 50 % candidate" in caplog.text
    assert words in caplog.text
    assert now_s() - began_s <= LAST_WORD_S
