"""Telling a version over HTTP that it drains."""

from __future__ import annotations

import aiohttp

from adapters.port import Version

TIMEOUT_S = 5.0


class DrainCaller:
    """Calls ``version.drain_url`` by POST, with ``deadline_s`` added to its query."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def __call__(self, version: Version, deadline_s: float) -> None:
        """Tell ``version`` how long it has. Raises OSError when it cannot be told, or does not answer 2xx."""
        assert version.drain_url is not None, "only a version with a drain URL is called"
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        try:
            async with self._session.post(
                version.drain_url, params={"deadline_s": f"{deadline_s:.3f}"}, allow_redirects=False
            ) as answer:
                if not 200 <= answer.status < 300:
                    raise ConnectionError(f"its drain URL answered {answer.status}")
        except (aiohttp.ClientError, ValueError) as error:  # a host that cannot be one is a ValueError
            raise ConnectionError(str(error) or type(error).__name__) from error

    async def close(self) -> None:
        """Let go of connections."""
        if self._session is not None:
            await self._session.close()
