"""The controller's API as an evolution pipeline uses it: propose, look, listen. Nothing here reaches further in."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Self

import aiohttp

from controller.errors import TurnoutError

from .sse import server_events
from .timeline import Moment

TIMEOUT_S = 5.0
TEXT_CHARS_MAX = 200
SILENCE_S = 60.0
"""The controller sends a comment more often than that."""


class PipelineError(TurnoutError):
    """The controller refused what the demo asked for, or did not answer as documented."""

    code = "pipeline-failed"


class Pipeline:
    """One pipeline at one controller.

    Args:
        url: where the controller's API is.
        now_s: the clock, in seconds since the epoch.
    """

    def __init__(self, url: str, now_s: Callable[[], float] = time.time) -> None:
        self._url = url
        self._now_s = now_s
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def propose(self, agent: str, version: Mapping[str, Any], *, score: float, summary: str) -> str:
        """Submit a version; its proposal's id. Raises PipelineError."""
        wire = {"version": version["version"], "endpoints": version["endpoints"], "drain_url": version["drainUrl"]}
        body = {"agent": agent, **wire, "verification_score": score, "summary": summary}
        return str((await self._ask("POST", "/v1/proposals", body))["id"])

    async def agent(self, name: str) -> dict[str, Any]:
        """Where an agent stands. Raises PipelineError."""
        return await self._ask("GET", f"/v1/agents/{name}")

    @asynccontextmanager
    async def news(self, agent: str) -> AsyncIterator[AsyncIterator[Moment]]:
        """What the controller says of an agent since the context was opened. Raises PipelineError when it stops."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT_S, sock_read=SILENCE_S)
        try:
            response = await self._session.get(f"{self._url}/v1/events", timeout=timeout)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise PipelineError(f"GET /v1/events: {_reason(error)}") from error
        async with response:
            if response.status != 200:
                raise PipelineError(f"GET /v1/events was answered {response.status}.")
            yield self._moments(response, agent)

    async def _moments(self, response: aiohttp.ClientResponse, agent: str) -> AsyncIterator[Moment]:
        try:
            async for event in server_events(response.content):
                moment = moment_of(json.loads(event.data), agent, self._now_s())
                if moment is not None:
                    yield moment
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, KeyError) as error:
            raise PipelineError(f"The controller's events broke off: {_reason(error)}") from error
        raise PipelineError("The controller's events ended.")

    async def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        try:
            async with self._session.request(method, f"{self._url}{path}", json=body) as response:
                text = await response.text()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise PipelineError(f"{method} {path}: {_reason(error)}") from error
        try:
            answer = json.loads(text)
        except ValueError:
            answer = None
        if response.status >= 300 or not isinstance(answer, dict):
            detail = answer.get("detail") if isinstance(answer, dict) else text[:TEXT_CHARS_MAX]
            raise PipelineError(f"{method} {path} was answered {response.status}: {detail}")
        return answer


def moment_of(news: Mapping[str, Any], agent: str, heard_s: float) -> Moment | None:
    """One piece of news about ``agent``; None when it is about another. Raises KeyError, ValueError."""
    if news.get("agent") != agent:
        return None
    at_s = datetime.fromisoformat(news["at"]).timestamp()
    return Moment(at_s, heard_s, news["what"], news["text"], float(news["facts"]["candidate_percent"]))


def all_back(agent: Mapping[str, Any]) -> bool:
    """Whether every gateway has confirmed that no new request goes to the candidate."""
    confirmed = [gateway["confirmed"] for gateway in agent["gateways"]]
    gone = agent["phase"] in {"rolling-back", "rolled-back"}
    return (
        gone and bool(confirmed) and all(split is not None and split["candidate_percent"] == 0 for split in confirmed)
    )


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
