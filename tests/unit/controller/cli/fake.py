"""A controller that answers what it was told to, and remembers what it was asked. It lives in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

HIDDEN: dict[str, Any] = {"drain_url": None, "http2": False}
SHARE: dict[str, Any] = {"stable_percent": 90.0, "candidate_percent": 10.0, "mirror_percent": 0.0}


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass
class Refusal:
    status: int
    problem: dict[str, Any]


@dataclass
class Raw:
    """An answer that no controller gives."""

    body: bytes = b""
    status: int = 200
    content_type: str = "text/html"
    headers: dict[str, str] = field(default_factory=dict)


class HangUp:
    """No answer: the connection is closed."""


class Silence:
    """No answer, until the controller stops."""


class FakeController:
    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._answers: dict[tuple[str, str], list[Any]] = {}
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._stopped: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),), daemon=True)
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(10), "the fake controller does not start"
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(10)
        assert not self._thread.is_alive(), "the fake controller does not stop"
        self._loop.close()

    def answers(self, method: str, path: str, *answers: Any) -> None:
        """Answer in this order; the last one again and again."""
        self._answers[method, path] = list(answers)

    @property
    def last(self) -> Asked:
        return self.asked[-1]

    async def _serve(self) -> None:
        self._stopped = asyncio.Event()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        self._started.set()
        await self._stopped.wait()
        await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        self.asked.append(
            Asked(
                request.method,
                request.raw_path.partition("?")[0],
                dict(request.query),
                dict(request.headers),
                json.loads(body) if body else None,
            )
        )
        waiting = self._answers.get((request.method, request.raw_path.partition("?")[0]))
        if waiting is None:
            problem = {
                "title": "Not found",
                "status": 404,
                "detail": f"There is no {request.path}.",
                "code": "not-found",
            }
            return web.json_response(problem, status=404, content_type="application/problem+json")
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        match answer:
            case HangUp():
                request.transport.abort()
                return web.Response()
            case Silence():
                await self._stopped.wait()
                return web.Response()
            case Refusal(status, problem):
                return web.json_response(problem, status=status, content_type="application/problem+json")
            case Raw(content, status, content_type, headers):
                return web.Response(body=content, status=status, content_type=content_type, headers=headers)
            case None:
                return web.Response(status=204)
            case _:
                return web.json_response(answer)


def stream(*events: dict[str, Any]) -> Raw:
    """A stream of server-sent events that the controller then closes."""
    told = [": hello\n\n"]
    told += [f"event: {each['what']}\nid: {each['number']}\ndata: {json.dumps(each)}\n\n" for each in events]
    return Raw("".join(told).encode(), content_type="text/event-stream")


def news(number: int, what: str = "step", text: str = "step 2 of 3: 10 % candidate", agent: str = "code-assistant"):
    return {"number": number, "at": "2026-01-31T12:04:07Z", "agent": agent, "what": what, "text": text, "facts": {}}


def build(version: str, *endpoints: str) -> dict[str, Any]:
    return {"version": version, "endpoints": list(endpoints), "digest": "", **HIDDEN}


def link(gateway: str = "edge", **changes: Any) -> dict[str, Any]:
    return {
        "gateway": gateway,
        "confirmed": SHARE,
        "up_to_date": True,
        "receipt": {"outcome": "confirmed", "detail": "", "took_s": 0.012, "split": SHARE},
        "observed": {"requests": 1200, "candidate_percent": 9.8333},
        "in_flight": {"1.2.3": 40, "1.3.0": 4},
        **changes,
    }


def behind(gateway: str = "edge", outcome: str = "unreachable", detail: str = "no node of edge is connected"):
    """A gateway that has not confirmed what is wanted."""
    at_first = {**SHARE, "stable_percent": 99.0, "candidate_percent": 1.0}
    receipt = {"outcome": outcome, "detail": detail, "took_s": 10.0, "split": SHARE}
    return link(gateway, confirmed=at_first, up_to_date=False, receipt=receipt)


def steps() -> list[dict[str, Any]]:
    return [
        {"number": 1, "candidate_percent": 1.0, "mirror_percent": 0.0, "hold_s": 120.0, "approval": False},
        {"number": 2, "candidate_percent": 10.0, "mirror_percent": 0.0, "hold_s": 300.0, "approval": True},
        {"number": 3, "candidate_percent": 50.0, "mirror_percent": 0.0, "hold_s": 600.0, "approval": False},
    ]


def rollout(**changes: Any) -> dict[str, Any]:
    return {
        "id": "p0a1b2c3d4e5f6071",
        "version": "1.3.0",
        "digest": "sha256:aa",
        "active": True,
        "submitted_at": "2026-01-31T12:00:00Z",
        "verification_score": 0.97,
        "step": 2,
        "steps": steps(),
        "bake_s": 600.0,
        "approved": False,
        "held": False,
        "paused_by": None,
        "reason": "",
        **changes,
    }


def finding(**changes: Any) -> dict[str, Any]:
    return {
        "objective": "errors",
        "indicator": "error",
        "guardrail": False,
        "verdict": "undecided",
        "test": "relative",
        "evidence_ratio": 0.12,
        "e_value": 1.9,
        "non_inferior": False,
        "candidate": {"valid": 118, "bad": 2, "bad_fraction": 0.0169},
        "stable": {"valid": 1082, "bad": 9, "bad_fraction": 0.0083},
        **changes,
    }


def agent(**changes: Any) -> dict[str, Any]:
    return {
        "name": "code-assistant",
        "phase": "health-check",
        "change": 7,
        "changed_by": "step: step 2 of 3: 10 % candidate",
        "stable": build("1.2.3", "10.0.0.11:3000", "10.0.0.12:3000"),
        "candidate": build("1.3.0", "10.0.0.21:3000"),
        "previous": None,
        "wanted": SHARE,
        "rollout": rollout(),
        "timers": [{"timer": "hold", "at": "2026-01-31T12:07:00Z", "seconds_left": 212.4}],
        "gateways": [link()],
        "verdict": "undecided",
        "findings": [
            finding(),
            finding(objective="unsafe", indicator="unsafe", guardrail=True, evidence_ratio=0.0),
        ],
        "drains": [],
        **changes,
    }


def resting(**changes: Any) -> dict[str, Any]:
    """An agent with only its stable version."""
    whole = {"stable_percent": 100.0, "candidate_percent": 0.0, "mirror_percent": 0.0}
    facts = {
        "phase": "idle",
        "candidate": None,
        "rollout": None,
        "timers": [],
        "findings": [],
        "wanted": whole,
        "verdict": "no-data",
        "gateways": [
            link(confirmed=whole, in_flight={"1.2.3": 40}, observed={"requests": 0, "candidate_percent": None})
        ],
    }
    return agent(**{**facts, **changes})


def proposal(**changes: Any) -> dict[str, Any]:
    return {
        "id": "p0a1b2c3d4e5f6071",
        "agent": "code-assistant",
        "phase": "awaiting-consent",
        "reason": "",
        "candidate": build("1.3.0", "10.0.0.21:3000"),
        "digest": "sha256:aa",
        "verification_score": 0.97,
        "summary": "Fewer tool calls.",
        "submitted_at": "2026-01-31T12:00:00Z",
        "submitted_by": "pipeline",
        "updated_at": "2026-01-31T12:00:01Z",
        "steps": steps(),
        "bake_s": 600.0,
        **changes,
    }
