"""The page for people, which looks and steers: one answer, and a policy that lets nothing in from elsewhere.

Its script and its style lie in files of their own, and are put into the page as it is sent: a policy that names their
very hashes is stricter than one that lets in whatever this origin serves.
"""

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

FOLDER = Path(__file__).with_name("dashboard")
STYLES = ("page.css", "agent.css")
SCRIPTS = ("make.js", "ask.js", "hear.js", "show.js", "gateway.js", "steer.js", "consent.js", "card.js", "page.js")
"""In this order: what comes later uses what came before."""


@cache
def page() -> str:
    """The page as it is sent."""
    html = _read("index.html")
    for tag, names in (("style", STYLES), ("script", SCRIPTS)):
        text = "".join(map(_read, names))
        assert f"</{tag}" not in text, f"the {tag} would end before its end"
        place = f"<{tag}></{tag}>"
        assert html.count(place) == 1, f"the page has no place for its {tag}"
        html = html.replace(place, f"<{tag}>\n{text}</{tag}>")
    return html


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


@cache
def policy() -> str:
    """Its content security policy: only the very script and style that stand in it (CSP 3, section 8.3).

    Text never becomes markup (Trusted Types), and a form is never sent, so that a token that is typed into one stands
    in no address.
    """
    script, style = (_hashes(page(), tag) for tag in ("script", "style"))
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
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
        summary="A page for people, that looks and steers",
        handle=_show,
        asks=Nothing,
        media=MEDIA,
    ),
)
