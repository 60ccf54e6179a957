"""The Lua module's control endpoint: JSON over HTTP with a bearer token, on loopback or a unix socket."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from adapters.port import GatewayError

ANSWER_BYTES_MAX = 8 * 2**20
TOKEN_CHARS_MAX = 4_096
WORDS_CHARS_MAX = 500
CONFLICT = 409

CODES = {400: "invalid", 401: "denied", 403: "denied", 404: "not-found", 405: "invalid", 413: "invalid", 507: "invalid"}
"""Any other status is ``unreachable``: it may be well later."""

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TokenAt:
    """Where the bearer token is: a file, which is read again for each request, or an environment variable."""

    file: str | None = None
    variable: str | None = None

    def read(self) -> str:
        """The token. Raises ValueError, whose words do not tell it."""
        where = self.file or self.variable
        try:
            text = Path(self.file).read_text() if self.file else os.environ.get(self.variable or "", "")
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a text"
            raise ValueError(f"its token cannot be read from {where}: {reason}") from None
        token = text.strip()
        if not (0 < len(token) <= TOKEN_CHARS_MAX and token.isascii() and token.isprintable()):
            raise ValueError(f"there is no token in {where}")
        return token


class Control:
    """One control endpoint.

    Args:
        gateway: the gateway's name, for errors.
        address: ``unix:PATH``, or ``http://HOST:PORT`` on loopback.
        token: where the token is.
        timeout_s: the longest that one request may take.
    """

    def __init__(self, gateway: str, address: str, token: TokenAt, timeout_s: float) -> None:
        self._gateway = gateway
        self._address = address
        self._token = token
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._is_closed = False

    async def ask(
        self, method: str, path: str, body: object = None, *, timeout_s: float | None = None, **query: object
    ) -> tuple[int, Answer]:
        """One request.

        Args:
            method: of HTTP.
            path: from ``/``.
            body: sent as JSON unless it is None.
            timeout_s: shorter than the usual one.
            query: its values are written into the URL; None is left out.

        Returns:
            The status, which is 200, or 409 with what stands; and the answer.

        Raises:
            GatewayError: ``unreachable``, ``unconfirmed`` (no answer in time: it may or may not have been done),
                ``denied``, ``not-found``, ``invalid``.
        """
        if self._is_closed:
            raise self._error("unreachable", "it is closed")
        try:
            token = self._token.read()
        except ValueError as error:
            raise self._error("denied", str(error)) from error
        limit_s = min(self._timeout_s, timeout_s if timeout_s is not None else self._timeout_s)
        origin = "http://turnout" if self._address.startswith("unix:") else self._address
        try:
            async with self._connected().request(
                method,
                origin + path,
                params={name: str(value) for name, value in query.items() if value is not None},
                data=None if body is None else json.dumps(body, allow_nan=False).encode(),
                headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
                timeout=aiohttp.ClientTimeout(total=limit_s),
                allow_redirects=False,
            ) as response:
                raw = await _whole(response.content)
                return self._read(response.status, raw)
        except TimeoutError as error:
            raise self._error("unconfirmed", f"no answer within {limit_s:g} s", retryable=True) from error
        except aiohttp.ClientConnectorError as error:
            reason = os.strerror(error.os_error.errno or 0)
            raise self._error("unreachable", f"no way to {self._address}: {reason}", retryable=True) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:  # URLs raise ValueError
            raise self._error("unreachable", str(error) or type(error).__name__, retryable=True) from error

    async def close(self) -> None:
        """Let go of its connections, for good."""
        self._is_closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            is_unix = self._address.startswith("unix:")
            connector = (
                aiohttp.UnixConnector(self._address.removeprefix("unix:")) if is_unix else aiohttp.TCPConnector()
            )
            self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self._session

    def _read(self, status: int, raw: bytes) -> tuple[int, Answer]:
        try:
            answer = json.loads(raw)
        except (ValueError, RecursionError):
            answer = None
        if status in {200, CONFLICT} and isinstance(answer, dict):
            return status, answer
        if status in {200, CONFLICT}:
            raise self._error(
                "invalid", f"{self._address} answers {status} with no JSON object: is Turnout's Lua there?"
            )
        words = answer.get("detail") if isinstance(answer, dict) else None
        said = f"{status} {str(words)[:WORDS_CHARS_MAX]}" if words else f"{status} without a word"
        raise self._error(CODES.get(status, "unreachable"), said, retryable=status not in CODES)

    def _error(self, code: str, words: str, *, retryable: bool = False) -> GatewayError:
        return GatewayError(self._gateway, code, words, retryable=retryable)


async def _whole(content: aiohttp.StreamReader) -> bytes:
    """A whole body. Raises aiohttp.ClientError when it is too long."""
    found = bytearray()
    async for piece in content.iter_any():
        found += piece
        if len(found) > ANSWER_BYTES_MAX:
            raise aiohttp.ClientPayloadError(f"its answer is longer than {ANSWER_BYTES_MAX} bytes")
    return bytes(found)
