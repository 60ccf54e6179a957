"""One instance's API. Source: https://nginx.org/en/docs/http/ngx_http_api_module.html (version 9 of it)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from adapters.port import GatewayError
from adapters.trust import Trust

VERSION = 9
BODY_BYTES_MAX = 16 * 2**20
WORDS_CHARS_MAX = 500
AUTHORIZATION_CHARS_MAX = 4_096

CODES = {400: "invalid", 401: "denied", 403: "denied", 404: "not-found", 405: "read-only", 409: "conflict"}


@dataclass(frozen=True, slots=True)
class Authorization:
    """Where the value of the header is (``Basic …``, ``Bearer …``); both None for none. A file is read each time."""

    env: str | None = None
    file: str | None = None

    def read(self) -> str | None:
        """The value. Raises ValueError, which does not tell it."""
        if not (self.env or self.file):
            return None
        try:
            found = os.environ.get(self.env, "") if self.env else Path(str(self.file)).read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{self.file} cannot be read: {type(error).__name__}") from None
        value = found.strip()
        if not (0 < len(value) <= AUTHORIZATION_CHARS_MAX and value.isascii() and value.isprintable()):
            raise ValueError(f"there is no authorization in {self.env or self.file}")
        return value


class Api:
    """One instance.

    Args:
        gateway: the gateway's name, for errors.
        url: where its API is, without the version: ``http://127.0.0.1:8080/api``.
        session: opens requests; shared by all instances of a gateway.
        authorization: what is sent as ``Authorization``.
        timeout_s: the longest that one request may take.
        ca_file: whom to trust; None for those that the system trusts.
    """

    def __init__(
        self,
        gateway: str,
        url: str,
        session: Callable[[], aiohttp.ClientSession],
        *,
        authorization: Authorization = Authorization(),
        timeout_s: float = 2.0,
        ca_file: str | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self._gateway = gateway
        self._session = session
        self._authorization = authorization
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._trust = Trust(ca_file)

    async def ask(self, method: str, path: str, body: object = None) -> object:
        """One request; None for an answer without a body. Raises GatewayError."""
        try:
            value = self._authorization.read()
        except ValueError as error:
            raise self._error("denied", str(error), retryable=True) from error
        try:
            headers: Mapping[str, str] = {
                **({"Authorization": value} if value else {}),
                **({"Content-Type": "application/json"} if body is not None else {}),
            }
            async with self._session().request(
                method,
                f"{self.url}/{VERSION}{path}",
                data=None if body is None else json.dumps(body).encode(),
                headers=headers,
                timeout=self._timeout,
                allow_redirects=False,
                ssl=self._trust.context(),
            ) as response:
                raw = bytearray()
                async for piece in response.content.iter_chunked(65_536):
                    raw += piece
                    if len(raw) > BODY_BYTES_MAX:
                        raise self._error("invalid", f"its answer is longer than {BODY_BYTES_MAX} bytes")
                return self._answer(response.status, bytes(raw))
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError; URLs raise ValueError
            words = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            raise self._error("unreachable", words, retryable=True) from error

    def _answer(self, status: int, raw: bytes) -> object:
        if status == 204:
            return None
        try:
            body: object = json.loads(raw)
        except (ValueError, RecursionError):
            if 200 <= status < 300:
                raise self._error("invalid", f"it answered {status} with no JSON: is this the API?") from None
            body = None
        if 200 <= status < 300:
            return body
        told = body.get("error") if isinstance(body, dict) else None
        error = told if isinstance(told, dict) else {}
        said = f"{status} {str(error.get('text', ''))[:WORDS_CHARS_MAX]} {str(error.get('code', ''))[:64]}".strip()
        if status >= 500:
            raise self._error("unreachable", said, retryable=True)
        raise self._error(CODES.get(status, "invalid"), said, retryable=status == 409)

    def _error(self, code: str, words: str, *, retryable: bool = False) -> GatewayError:
        return GatewayError(self._gateway, code, f"{self.url}: {words}", retryable=retryable)
