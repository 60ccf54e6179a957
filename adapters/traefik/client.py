"""Traefik's API and its metrics page: bounded in time and size, and every failure a GatewayError."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

import aiohttp

from adapters.port import GatewayError

REQUEST_TIMEOUT_S = 2.0
CONNECTIONS_MAX = 4
PART_BYTES_MAX = 4 * 2**20
PAGE_BYTES_MAX = 64 * 2**20
"""A metrics page of thousands of services has some 3 kB for each."""

SAID_CHARS_MAX = 200


@dataclass(frozen=True, slots=True)
class Credential:
    """Where the value of the ``Authorization`` header is: in a file, or in an environment variable. Never kept."""

    file: str | None = None
    env: str | None = None

    def headers(self, gateway: str) -> Mapping[str, str]:
        """The header, read now, so that a secret may be replaced. Raises GatewayError; says nothing of the secret."""
        try:
            value = Path(self.file).read_text(encoding="utf-8") if self.file else os.environ[self.env or ""]
        except (OSError, ValueError, KeyError):
            where = self.file or f"the environment variable {self.env}"
            raise GatewayError(gateway, "denied", f"no credential in {where}", retryable=True) from None
        value = value.strip()
        if not (value and value.isascii() and value.isprintable()):
            raise GatewayError(gateway, "denied", "the credential is not one line of ASCII", retryable=True)
        return {"Authorization": value}


class Client:
    """One Traefik.

    Args:
        gateway: the gateway's name, for errors.
        api_url: where its API is, without ``/api``.
        metrics_url: its metrics page.
        credential: what both want to see; None for nothing.
    """

    def __init__(self, gateway: str, api_url: str, metrics_url: str, credential: Credential | None = None) -> None:
        self._gateway = gateway
        self._api_url = api_url.rstrip("/")
        self._metrics_url = metrics_url
        self._credential = credential
        self._session: aiohttp.ClientSession | None = None
        self._is_closed = False

    async def part(self, section: str, name: str) -> Mapping[str, Any] | None:
        """What Traefik has of one part; None when it has no such part. Raises GatewayError.

        Args:
            section: ``services``, ``routers`` or ``middlewares``.
            name: with its provider: ``x@file``.
        """
        url = f"{self._api_url}/api/http/{section}/{quote(name, safe='@')}"
        status, body = await self._get(url, PART_BYTES_MAX)
        shown = self._object(body)
        if status == 404 and "not found" in str(shown.get("message")):
            return None
        self._check(status, self._api_url, body)
        if not shown:
            raise self._invalid(f"{url}: what answers is no Traefik's API: it shows no object")
        return shown

    async def version(self) -> str:
        """The program's version. Raises GatewayError."""
        status, body = await self._get(f"{self._api_url}/api/version", PART_BYTES_MAX)
        self._check(status, self._api_url, body)
        version = self._object(body).get("Version")
        if not isinstance(version, str):
            raise self._invalid(f"{self._api_url}: this is no Traefik: it tells no version")
        return version[:SAID_CHARS_MAX]

    async def metrics(self) -> str:
        """The metrics page. Raises GatewayError."""
        status, body = await self._get(self._metrics_url, PAGE_BYTES_MAX)
        self._check(status, self._metrics_url, body)
        return body.decode(errors="replace")

    async def close(self) -> None:
        """Let go of the connections, for good."""
        self._is_closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _get(self, url: str, bytes_max: int) -> tuple[int, bytes]:
        headers = self._credential.headers(self._gateway) if self._credential else MappingProxyType({})
        if self._is_closed:
            raise GatewayError(self._gateway, "unreachable", "it is closed", retryable=False)
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
            self._session = aiohttp.ClientSession(
                timeout=timeout, connector=aiohttp.TCPConnector(limit=CONNECTIONS_MAX), raise_for_status=False
            )
        try:
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                return response.status, await self._read(response, bytes_max)
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError; URLs raise ValueError
            why = str(error) or f"no answer within {REQUEST_TIMEOUT_S:g} s"
            raise GatewayError(self._gateway, "unreachable", f"{url}: {why}", retryable=True) from error

    async def _read(self, response: aiohttp.ClientResponse, bytes_max: int) -> bytes:
        read = bytearray()
        async for chunk in response.content.iter_any():
            read += chunk
            if len(read) > bytes_max:
                raise self._invalid(f"{response.url}: the answer has more than {bytes_max:,} bytes")
        return bytes(read)

    def _object(self, body: bytes) -> Mapping[str, Any]:
        """A JSON object; an empty one for anything else."""
        try:
            loaded = json.loads(body)
        except (ValueError, RecursionError):
            return {}
        return loaded if isinstance(loaded, dict) else {}

    def _check(self, status: int, url: str, body: bytes) -> None:
        if status in {401, 403}:
            raise GatewayError(self._gateway, "denied", f"{url}: it answers {status}", retryable=True)
        if status == 404:
            what = f"{url}: nothing is here; are Traefik's API and metrics enabled, and is this its address?"
            raise GatewayError(self._gateway, "not-found", what, retryable=True)
        if status != 200:
            raise self._invalid(f"{url}: it answers {status}: {body[:SAID_CHARS_MAX].decode(errors='replace')}")

    def _invalid(self, what: str) -> GatewayError:
        return GatewayError(self._gateway, "invalid", what, retryable=True)
