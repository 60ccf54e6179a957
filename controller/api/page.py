"""The status page: one file without anything from elsewhere, and a policy that lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Any

from aiohttp import web

from .operation import Call, Operation
from .shape import Nothing

MEDIA = "text/html"

_FILE = Path(__file__).with_name("dashboard") / "index.html"


@cache
def page() -> str:
    """The page as it is sent."""
    return _FILE.read_text(encoding="utf-8")


@cache
def policy() -> str:
    """Its content security policy: only the very script and style that stand in it (CSP 3, section 8.3)."""
    script, style = (_hashes(page(), tag) for tag in ("script", "style"))
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _hashes(html: str, tag: str) -> str:
    found = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
    assert found, f"the page has no {tag}"
    return " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in found)


async def _show(call: Call, _: Nothing) -> web.Response:
    del call
    return web.Response(text=page(), content_type=MEDIA, headers={"Content-Security-Policy": policy()})


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="GET",
        path="/",
        name="page",
        summary="A status page for people",
        handle=_show,
        asks=Nothing,
        media=MEDIA,
    ),
)
