"""A real Chromium without a screen, driven by WebDriver: https://www.w3.org/TR/webdriver2/."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp

PATIENCE_S = 20.0
STARTED = re.compile(r"successfully on port (\d+)")
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
"""The key under which WebDriver names an element."""

QUIET = (
    "--headless=new",
    "--no-sandbox",  # the tests may run as root, where Chromium has no sandbox; it opens only the page under test
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    "--lang=en-US",
)

UNTIL = """
const [condition, patience, done] = arguments;
const began = performance.now();
const look = () => {
  let told = false;
  try { told = Boolean((0, condition_)()); } catch (error) { told = false; }
  if (told) return done(true);
  if (performance.now() - began > patience) return done(document.body.innerText);
  setTimeout(look, 30);
};
look();
"""
"""Looks again and again inside the page, where waiting costs no request."""


class Browser:
    """One window. Selectors are CSS."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def _ask(self, method: str, path: str, **body: object) -> Any:
        async with self._session.request(method, self._url + path, json=body if method == "POST" else None) as response:
            told = await response.json()
            assert response.status == 200, f"{method} {path}: {told['value']['message']}"
            return told["value"]

    async def open(self, url: str) -> None:
        await self._ask("POST", "/url", url=url)

    async def run(self, script: str, *arguments: object) -> Any:
        """What a script in the page returns."""
        return await self._ask("POST", "/execute/sync", script=script, args=arguments)

    async def until(self, condition: str, what: str) -> None:
        """Wait until a JavaScript expression is true. Fails with what the page says instead."""
        script = UNTIL.replace("condition_", f"() => ({condition})")
        told = await self._ask("POST", "/execute/async", script=script, args=[condition, PATIENCE_S * 1000])
        assert told is True, f"the page never came to this: {what}. It says:\n{told}"

    async def says(self, selector: str, text: str) -> None:
        """Wait until an element says something."""
        there = f"document.querySelector({selector!r}).innerText.includes({text!r})"
        await self.until(there, f"{selector} says {text!r}")

    async def shows(self, agent: str, selector: str, text: str) -> None:
        """Wait until it is there, and as long as a person needs to see it: the page does not take a click before."""
        await self.says(selector, text)
        seen = f"cards.get({agent!r}).seen"
        await self.until(f"{seen}.read() === {seen}.newest", f"what changed of {agent} could be read")

    async def find(self, selector: str) -> str:
        found = await self._ask("POST", "/element", using="css selector", value=selector)
        return found[ELEMENT]

    async def click(self, selector: str) -> None:
        """Click as a person does: it fails when something lies above, or when it is disabled."""
        assert await self.is_enabled(selector), f"{selector} cannot be clicked: the page has disabled it"
        await self._ask("POST", f"/element/{await self.find(selector)}/click")

    async def click_twice(self, selector: str) -> None:
        """Click again before anything could have come of the first click."""
        where = {ELEMENT: await self.find(selector)}
        clicks = [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp") * 2]
        moves = [{"type": "pointerMove", "origin": where, "x": 0, "y": 0}, *clicks]
        await self._ask("POST", "/actions", actions=[{"type": "pointer", "id": "mouse", "actions": moves}])

    async def write(self, selector: str, text: str) -> None:
        """Put text in the place of what stands in a field, with the keyboard; `\\ue007` is Enter."""
        element = await self.find(selector)
        await self._ask("POST", f"/element/{element}/clear")
        await self._ask("POST", f"/element/{element}/value", text=text)

    async def keys(self, *keys: str) -> None:
        """Press keys, one after the other, wherever the focus is."""
        pressed = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        await self._ask("POST", "/actions", actions=[{"type": "key", "id": "keys", "actions": pressed}])

    async def is_enabled(self, selector: str) -> bool:
        return bool(await self._ask("GET", f"/element/{await self.find(selector)}/enabled"))

    async def text(self, selector: str) -> str:
        return str(await self._ask("GET", f"/element/{await self.find(selector)}/text"))

    async def resize(self, width: int, height: int) -> None:
        await self._ask("POST", "/window/rect", width=width, height=height)

    async def picture(self) -> bytes:
        """A screenshot as PNG, for people."""
        return base64.b64decode(await self._ask("GET", "/screenshot"))

    async def complaints(self) -> list[str]:
        """What the console has complained of since it was last asked."""
        return [entry["message"] for entry in await self._ask("POST", "/se/log", type="browser")]


def _asked(method: str, url: str, body: object = None) -> Any:
    """One WebDriver request of the browser's own life: it outlives the event loop of a test."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=3 * PATIENCE_S) as answer:
        return json.load(answer)["value"]


@contextlib.contextmanager
def chromium(folder: Path, *more: str) -> Iterator[str]:
    """A browser with a profile of its own, by the address of its WebDriver session; it ends with the context."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    assert program, "there is no Chromium: apt-get install chromium chromium-driver, or .ci/programs"
    assert driver, "there is no WebDriver for Chromium: apt-get install chromium-driver, or .ci/programs"
    with subprocess.Popen(
        [driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout
            said = next((found for line in process.stdout if (found := STARTED.search(line))), None)
            assert said, "chromedriver did not start"
            sessions = f"http://127.0.0.1:{said[1]}/session"
            wanted = {
                "browserName": "chrome",
                "goog:chromeOptions": {"binary": program, "args": [*QUIET, f"--user-data-dir={folder}", *more]},
                "goog:loggingPrefs": {"browser": "ALL"},
                "timeouts": {"script": int((PATIENCE_S + 5) * 1000)},
            }
            session = f"{sessions}/{_asked('POST', sessions, {'capabilities': {'alwaysMatch': wanted}})['sessionId']}"
            try:
                yield session
            finally:
                _asked("DELETE", session)
        finally:
            process.kill()


@contextlib.asynccontextmanager
async def browsing(url: str) -> AsyncIterator[Browser]:
    """The browser of a session, which forgets the page with the context."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3 * PATIENCE_S)) as session:
        browser = Browser(session, url)
        await browser.resize(1200, 1000)
        try:
            yield browser
        finally:
            await browser.open("about:blank")
            await browser.complaints()
