"""The API on a socket: started, and stopped with grace."""

from __future__ import annotations

import logging
import ssl

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from controller.errors import TurnoutError

from .access import check_listen
from .context import Context
from .routes import application

log = logging.getLogger(__name__)

STOP_GRACE_S = 2.0
"""How long requests that are being answered may go on once the API stops. Streams and drains are ended at once."""
KEEPALIVE_S = 75.0
LINE_BYTES_MAX = 4096
HEADER_BYTES_MAX = 8190
HEADERS_MAX = 64
BACKLOG_MAX = 128


def tame(record: logging.LogRecord) -> bool:
    """Tell of a client that speaks no HTTP in one quiet line: aiohttp would log a trace, and anybody can cause it."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.levelno, record.levelname = logging.INFO, "INFO"
        record.msg, record.args = "a client sent what is no HTTP request: %s", (type(error).__name__,)
        record.exc_info = record.exc_text = None
    return True


class ListenError(TurnoutError):
    """The address cannot be had."""

    code = "listen-failed"


class ApiServer:
    """Serves the API on one address.

    Attributes:
        host: where it listens.
        port: likewise; 0 takes a free one, which stands here once it is started.
    """

    def __init__(
        self, context: Context, host: str = "127.0.0.1", port: int = 8900, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self.host = host
        self.port = port
        self._tls = tls
        self._context = context
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen and serve.

        Raises:
            ExposedError: without tokens, this address would let anybody steer.
            ListenError: the address cannot be had.
        """
        check_listen(self.host, self._context.access())
        logging.getLogger("aiohttp.server").addFilter(tame)
        runner = web.AppRunner(
            application(self._context),
            access_log=None,
            handle_signals=False,
            keepalive_timeout=KEEPALIVE_S,
            shutdown_timeout=STOP_GRACE_S,
            max_line_size=LINE_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
            max_headers=HEADERS_MAX,
        )
        await runner.setup()
        site = web.TCPSite(runner, self.host, self.port, backlog=BACKLOG_MAX, ssl_context=self._tls)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            raise self.trouble(error) from error
        self._runner = runner
        self.port = runner.addresses[0][1]
        log.info("the API is served on %s:%d", self.host, self.port)

    def trouble(self, error: OSError) -> ListenError:
        """What keeps it from its address, for people."""
        return ListenError(
            f"The API cannot listen on {self.host}:{self.port}: {error.strerror or error}.",
            remedy="Is another program there? Choose another address with --http.",
        )

    async def stop(self) -> None:
        """End streams and drains, let the rest be answered, and stop listening. Idempotent."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()
