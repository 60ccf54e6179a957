"""What a frozen program looks like from outside: it takes connections, and says nothing."""

import contextlib
import socket

BACKLOG = 256


@contextlib.contextmanager
def frozen(count=1):
    """URLs at which the kernel takes connections and nobody answers."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
            each.listen(BACKLOG)
        yield [f"http://127.0.0.1:{each.getsockname()[1]}" for each in sockets]
