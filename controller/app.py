"""The composition root: builds the parts, starts them in one order, and stops them in the other.

Up: settings, journal, fleet (every agent recalled, every gateway told of all its agents), and only then the doors: xDS,
then HTTP. An Envoy is answered when there is something whole to answer it with. Down: HTTP, drivers, journal, and xDS
last, so that gateways lose their controller as late as they can.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version as distribution_version
from pathlib import Path
from typing import Literal

import uvloop

from adapters.envoy.gateway import EnvoyGateway
from adapters.port import Adapter, Receipt
from adapters.registry import FACTORIES, Shared
from controller.api.access import check_listen, is_loopback
from controller.api.context import Context, Standing, Stranger
from controller.api.server import ApiServer
from controller.errors import TurnoutError
from controller.journal.errors import JournalError, JournalReadOnlyError
from controller.journal.store import Journal
from controller.journal.writer import AsyncJournal
from controller.metrics.outcomes import Outcomes
from controller.metrics.prometheus import Prometheuses
from controller.metrics.sources import Source
from controller.observe import logs
from controller.observe.meters import Meters
from controller.roster import roster_of
from controller.runtime.broadcast import Broadcast
from controller.runtime.drain_call import DrainCaller
from controller.runtime.fleet import Fleet, GatewayProfile
from controller.runtime.hands import Surroundings
from controller.runtime.profile import Profile
from controller.runtime.reach import connect
from controller.runtime.tasks import Tasks
from controller.settings.loading import Settings, load
from controller.settings.problem import SettingsError
from controller.settings.watching import watch
from controller.tls import TlsFiles
from xds.access_logs import AccessLog
from xds.errors import ListenError
from xds.load_reports import LoadReport
from xds.server import XdsServer

log = logging.getLogger(__name__)

JOURNAL_NAME = "journal.sqlite"
FLUSH_EVERY_S = 2.0
"""How often records that a full disk kept in memory are tried again."""

VERSION = distribution_version("turnout")

XDS_REMEDY = "Is another program there? Choose another address with --xds."

ADOPT_TRIES_MAX = 6
ADOPT_RETRY_S = 5.0

EXIT_PATIENCE_S = 5.0
EXIT_STUCK = 75
"""EX_TEMPFAIL of sysexits.h: it had to end while a disk did not answer."""

Address = tuple[str, int]


class XdsListenError(TurnoutError):
    """The xDS server's address cannot be had: its own error, with the manners of ours."""

    code = ListenError.code
    retryable = ListenError.retryable
    http_status = ListenError.http_status


@dataclass(frozen=True, slots=True)
class Options:
    """What ``turnout run`` takes.

    Attributes:
        config: a settings file, or a directory of them.
        state_dir: where the journal lives; made if it is missing.
        http: where the API listens; port 0 takes a free one.
        xds: where Envoys subscribe; port 0 takes a free one.
        log_format: ``text`` for people, ``json`` for collectors.
        output: whether the line on standard output is ``text`` or ``json``.
        http_tls, xds_tls: serve that door over TLS; None in the clear.
    """

    config: Path
    state_dir: Path
    http: Address = ("127.0.0.1", 8900)
    xds: Address = ("127.0.0.1", 18000)
    log_format: Literal["text", "json"] = "text"
    output: Literal["text", "json"] = "text"
    http_tls: TlsFiles | None = None
    xds_tls: TlsFiles | None = None


class App:
    """One controller.

    Args:
        options: where everything is.
        settings: what the operator asks for, already valid.
        journal: open for writing; the app closes it.
    """

    def __init__(self, options: Options, settings: Settings, journal: Journal) -> None:
        self.options = options
        self.settings = settings
        self.stop = asyncio.Event()
        self.meters = Meters(VERSION)
        self.journal = AsyncJournal(journal, on_append=self.meters.journal_append)
        self.broadcast = Broadcast()
        self.xds = XdsServer(
            listen_address(options.xds),
            meter=self.meters.xds,
            on_load_report=self._take_report,
            on_access_log=self._take_access_log,
            credentials=options.xds_tls.credentials() if options.xds_tls else None,
        )
        self._drain_caller = DrainCaller()
        self._outcomes = Outcomes(time.time())
        self._prometheuses = Prometheuses()
        self.fleet = Fleet(self._make_adapter, self._surroundings())
        self._fleet_ready = asyncio.Event()
        self._open = False
        self._refused: Sequence[str] = ()
        tls = options.http_tls.context() if options.http_tls else None
        self.api = ApiServer(self._context(), *options.http, tls=tls)

    def _context(self) -> Context:
        return Context(
            fleet=self.fleet,
            journal=self.journal,
            broadcast=self.broadcast,
            meters=self.meters,
            access=lambda: self.settings.access,
            settings=lambda: Standing(self.settings.digest, self._refused),
            ready=lambda: self._open,
            now_s=time.time,
            outcomes=self._outcomes,
            strangers=self.strangers,
        )

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            adapters={},
            journal=self.journal,
            broadcast=self.broadcast,
            now_s=time.time,
            connect=connect,
            call_drain_url=self._drain_caller,
            report=self._report,
            sources=self._sources,
        )

    def _sources(self, profile: Profile) -> Sequence[Source]:
        return (self._outcomes.source(profile.agent), *self._prometheuses.sources(profile.agent, profile.queries))

    def _report(self, _agent: str, receipt: Receipt) -> None:
        self.meters.receipt(receipt.gateway, receipt.code, receipt.took_s)

    def _make_adapter(self, gateway: GatewayProfile) -> Adapter:
        return FACTORIES[gateway.kind](gateway.name, gateway.options, Shared(self.xds))

    def _take_report(self, report: LoadReport) -> None:
        adapter = self.fleet.adapters.get(report.group)
        if isinstance(adapter, EnvoyGateway):
            adapter.take_report(report)

    def _take_access_log(self, access_log: AccessLog) -> None:
        adapter = self.fleet.adapters.get(access_log.group)
        if isinstance(adapter, EnvoyGateway):
            adapter.take_access_log(access_log)

    def strangers(self) -> Sequence[Stranger]:
        """Which Envoys are held because their ``node.cluster`` is no gateway of Envoys."""
        return [
            Stranger(node.id, node.group)
            for node in self.xds.held()
            if not isinstance(self.fleet.adapters.get(node.group), EnvoyGateway)
        ]

    async def run(self) -> None:
        """Serve until ``stop`` is set.

        Raises:
            TurnoutError: it cannot start.
        """
        try:
            async with Tasks() as tasks:
                self._look_at_doors()
                tasks.start("meters", self._count_news())
                tasks.start("fleet", self.fleet.run(roster_of(self.settings), self._fleet_ready))
                tasks.start("stop", self._stop_before_ready())
                await self._fleet_ready.wait()
                if self.stop.is_set():
                    return
                await self._open_xds()
                await self.api.start()
                tasks.start("settings", self._follow_settings())
                tasks.start("journal", self._flush_for_ever())
                self._open = True
                self._say_ready()
                await self.stop.wait()
                self._open = False
                await self.api.stop()
        finally:
            await self._close()

    async def _stop_before_ready(self) -> None:
        """A stop need not wait until everything is brought up: nobody is served yet."""
        await self.stop.wait()
        self._fleet_ready.set()

    def _look_at_doors(self) -> None:
        """Whether both addresses can be had, before any gateway is told anything.

        Another controller may be there already, and this one would change what that one guides before it finds out.
        """
        try:
            _bind(self.options.http)
        except OSError as error:
            raise self.api.trouble(error) from error
        try:
            _bind(self.options.xds)
        except OSError as error:
            taken = f"Cannot listen on {listen_address(self.options.xds)} for xDS: {error.strerror or error}."
            raise XdsListenError(taken, remedy=XDS_REMEDY) from error

    async def _open_xds(self) -> None:
        try:
            await self.xds.start()
        except ListenError as error:
            raise XdsListenError(str(error), remedy=XDS_REMEDY) from error

    async def _close(self) -> None:
        await self.api.stop()
        await self._drain_caller.close()
        await self._prometheuses.close()
        try:
            await self.journal.close()
        except JournalError as error:
            log.error("the journal could not be closed cleanly: %s", error)  # noqa: TRY400 - the message says it all
        await self.xds.stop()

    def _say_ready(self) -> None:
        """One line on standard output: that it is ready, and where."""
        http, xds = (self.api.host, self.api.port), (self.options.xds[0], self.xds.port)
        scheme = "https" if self.options.http_tls else "http"
        places = {"http": f"{scheme}://{listen_address(http)}", "xds": f"xds://{listen_address(xds)}"}
        text = f"turnout {VERSION} is ready: {' '.join(places.values())}"
        as_json = {"ready": True, "version": VERSION, **places}
        sys.stdout.write((json.dumps(as_json) if self.options.output == "json" else text) + "\n")
        sys.stdout.flush()

    async def _follow_settings(self) -> None:
        """Swap good settings in; refuse bad ones whole, and go on with what there is."""
        async for outcome in watch(self.options.config, self.stop, since=self.settings):
            if isinstance(outcome, SettingsError):
                self._refuse([str(problem) for problem in outcome.problems])
                continue
            for _ in range(ADOPT_TRIES_MAX):
                if not await self._is_to_be_tried_again(outcome):
                    break
                await asyncio.sleep(ADOPT_RETRY_S)

    async def _is_to_be_tried_again(self, settings: Settings) -> bool:
        """Have settings in force; whether that failed for a reason that may pass, such as a disk that cannot be read.

        Whatever goes wrong is told, and what ran before goes on: a file that was saved must never end the controller.
        """
        try:
            check_listen(self.api.host, settings.access)
            await self.fleet.configure(roster_of(settings))
            self._outcomes.keep(self.fleet.drivers)
        except TurnoutError as error:
            self._refuse([str(error)])
            return error.retryable
        except Exception as error:
            log.exception("the new settings cannot be brought in force")
            self._refuse([f"{type(error).__name__}: {error}"])
            return False
        self.settings, self._refused = settings, ()
        self.meters.config_reload(accepted=True)
        log.info("settings %s are in force", settings.digest)
        self.broadcast.publish(time.time(), "", "settings", "new settings are in force")
        return False

    def _refuse(self, why: Sequence[str]) -> None:
        self._refused = why
        self.meters.config_reload(accepted=False)
        for line in why:
            log.error("the new settings are refused, the old ones stay in force: %s", line)
        self.broadcast.publish(time.time(), "", "settings-refused", "; ".join(why))

    async def _count_news(self) -> None:
        with self.broadcast.listen() as heard:
            async for news in heard:
                self.meters.news(news.agent, news.what, str(news.facts.get("phase", "")))

    async def _flush_for_ever(self) -> None:
        """Write down, as soon as the disk lets us, what was done while it did not."""
        while True:
            await asyncio.sleep(FLUSH_EVERY_S)
            if self.journal.deferred:
                try:
                    await self.journal.flush()
                except JournalError as error:
                    log.warning("%d records still wait for the journal: %s", self.journal.deferred, error)


def _bind(address: Address) -> None:
    """Take an address for a moment, without listening there. Raises OSError when it is taken, or cannot be had.

    Of a name's several addresses one is enough: a machine without IPv6 has no ``::1``.
    """
    host, port = address
    places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    missing: list[OSError] = []
    for family, kind, protocol, _, place in places:
        with socket.socket(family, kind, protocol) as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                door.bind(place)
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise
                missing.append(error)
    if len(missing) == len(places):
        raise missing[0]


def listen_address(address: Address) -> str:
    """``HOST:PORT``, with an IPv6 host in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def serve(options: Options) -> None:
    """Run a controller until SIGTERM or SIGINT.

    Raises:
        TurnoutError: it cannot start: bad settings, a journal that cannot be opened, an address that is taken.
    """
    logs.set_up(style=options.log_format)
    for door, address, tls in (("API", options.http, options.http_tls), ("xDS", options.xds, options.xds_tls)):
        if tls is None and not is_loopback(address[0]):
            log.warning("%s on %s is served in the clear: others on the way can read and change it", door, address[0])
    settings = load(options.config)
    check_listen(options.http[0], settings.access)  # before any door is open
    _make_state_dir(options.state_dir)
    uvloop.run(_serve(options, settings))


def _make_state_dir(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise JournalReadOnlyError(
            f"The state directory {path} cannot be made: {error.strerror}.",
            remedy="Make it for this user, or name another with --state-dir.",
        ) from error


async def _serve(options: Options, settings: Settings) -> None:
    app = App(options, settings, Journal.open(options.state_dir / JOURNAL_NAME))
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, app.stop.set)
    try:
        await app.run()
    except* TurnoutError as group:
        raise group.exceptions[0] from None
    finally:
        _end_within(EXIT_PATIENCE_S)


def _end_within(patience_s: float) -> None:
    """End this process by then, whatever its threads wait for: one on a disk that does not answer would keep it, and
    whoever waits for its end, for ever.
    """
    ending = threading.Timer(patience_s, os._exit, [EXIT_STUCK])
    ending.daemon = True
    ending.start()
