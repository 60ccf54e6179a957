"""One node's Admin API: requests, pages, and errors with a code.

Source: https://developer.konghq.com/api/gateway/admin-oss/; what differs from it was measured on Kong 3.9.3.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp

from adapters.port import GatewayError
from adapters.trust import Trust

TOKEN_HEADER = "Kong-Admin-Token"  # noqa: S105 - a header's name
TOKEN_CHARS_MAX = 4_096
BODY_BYTES_MAX = 32 * 2**20
PAGES_MAX = 128
PAGE_ROWS = 1_000
WORDS_CHARS_MAX = 500
"""What is kept of a node's own words."""

CODES = {400: "invalid", 401: "denied", 403: "denied", 404: "not-found", 405: "read-only", 409: "conflict"}

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TokenSource:
    """Where the Admin API's token is; both None for none. A file is read anew at each request."""

    env: str | None = None
    file: str | None = None

    def read(self) -> str | None:
        """The token. Raises ValueError, which does not tell it."""
        try:
            found = os.environ.get(self.env) if self.env else Path(self.file).read_text() if self.file else ""
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"its token cannot be read from {self.file}: {type(error).__name__}") from None
        if found == "" and not (self.env or self.file):
            return None
        token = (found or "").strip()
        if not (0 < len(token) <= TOKEN_CHARS_MAX and token.isascii() and token.isprintable()):
            raise ValueError(f"there is no token in {self.env or self.file}")
        return token


class Admin:
    """One node.

    Args:
        gateway: the gateway's name, for errors.
        url: where its Admin API is.
        session: opens requests; shared by all nodes of a gateway.
        workspace: the workspace of Kong Enterprise; None for the default one.
        token: where its token is.
        timeout_s: the longest that one request may take.
        ca_file: whom to trust; None for those that the system trusts.
    """

    def __init__(
        self,
        gateway: str,
        url: str,
        session: Callable[[], aiohttp.ClientSession],
        *,
        workspace: str | None = None,
        token: TokenSource = TokenSource(),
        timeout_s: float = 2.0,
        ca_file: str | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._gateway = gateway
        self._session = session
        self._prefix = f"/{workspace}" if workspace else ""
        self._token = token
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._trust = Trust(ca_file)

    async def root(self) -> Row:
        """``GET /``: version, node id, configuration."""
        return await self._ask("GET", "/")

    async def ask(self, method: str, path: str, body: object = None) -> Row:
        """One request within the workspace; an answer without a body is an empty mapping. Raises GatewayError."""
        return await self._ask(method, self._prefix + path, body)

    async def config(self, body: object = None) -> Row:
        """``GET /config``, or ``POST`` with a body. It belongs to the node and to no workspace. Raises GatewayError."""
        return await self._ask("GET" if body is None else "POST", "/config", body)

    async def rows(self, path: str) -> list[Row]:
        """All pages of a list. Raises GatewayError.

        Of ``next`` only the offset is followed: it drops the size, and an answer must not lead us to another host.
        """
        found: list[Row] = []
        offset = ""
        for _ in range(PAGES_MAX):
            page = await self.ask("GET", f"{path}?size={PAGE_ROWS}{offset}")
            rows = page.get("data")
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise self._error("invalid", "it answered with a list that is none", retryable=True)
            found += rows
            following = page.get("next")
            if following is None:
                return found
            try:
                (at,) = parse_qs(urlsplit(following).query)["offset"]
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                raise self._error("invalid", "its next page has no offset", retryable=True) from error
            if not at.isalnum() or f"&offset={at}" == offset:
                raise self._error("invalid", "its next page is the page that we have", retryable=True)
            offset = f"&offset={at}"
        raise self._error("invalid", f"its list has more than {PAGES_MAX} pages", retryable=False)

    async def _ask(self, method: str, path: str, body: object = None) -> Row:
        try:
            headers = self._headers(body)
        except ValueError as error:
            raise self._error("denied", str(error), retryable=True) from error
        try:
            async with self._session().request(
                method,
                self.url + path,
                data=None if body is None else json.dumps(body).encode(),
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
                ssl=self._trust.context(),
            ) as response:
                return self._answer(response.status, await _read(response.content))
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError; URLs raise ValueError
            words = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            raise self._error("unreachable", words, retryable=True) from error

    def _headers(self, body: object) -> Mapping[str, str]:
        token = self._token.read()
        return {
            "Accept": "application/json",
            **({"Content-Type": "application/json"} if body is not None else {}),
            **({TOKEN_HEADER: token} if token else {}),
        }

    def _answer(self, status: int, raw: bytes | None) -> Row:
        if raw is None:
            raise self._error("invalid", f"its answer is longer than {BODY_BYTES_MAX} bytes", retryable=False)
        try:
            body = {} if status == 204 else json.loads(raw)
        except (ValueError, RecursionError):
            body = None
        if 200 <= status < 300 and isinstance(body, dict):
            return body
        if 200 <= status < 300:
            raise self._error("invalid", f"it answered {status} with no JSON object: is this an Admin API?")
        words = body.get("message") if isinstance(body, dict) else None
        said = f"{status} {str(words)[:WORDS_CHARS_MAX]}" if words else f"{status}"
        if status >= 500:
            raise self._error("unreachable", f"{said} (its database may be down)", retryable=True)
        raise self._error(CODES.get(status, "invalid"), said, retryable=status == 409)

    def _error(self, code: str, words: str, *, retryable: bool = False) -> GatewayError:
        return GatewayError(self._gateway, code, f"{self.url}: {words}", retryable=retryable)


async def _read(content: aiohttp.StreamReader) -> bytes | None:
    """A whole body; None if it is too long."""
    found = bytearray()
    async for piece in content.iter_chunked(65_536):
        found += piece
        if len(found) > BODY_BYTES_MAX:
            return None
        await asyncio.sleep(0)
    return bytes(found)
