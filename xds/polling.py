"""How gRPC waits for the network; set before gRPC is imported, which reads it then and never again.

Its newer way to listen hands each message through three threads of its own. The one before it lets the thread that
waits for messages read them too: a quarter to a third less CPU time per message (docs/adr/0012). Whoever has
set it himself knows better.
"""

import os

SETTINGS = {
    "GRPC_EXPERIMENTS": "-event_engine_listener",
    # No process of ours forks and goes on without another program; gRPC would log that it is busy at such a moment.
    "GRPC_ENABLE_FORK_SUPPORT": "0",
}

for name, value in SETTINGS.items():
    os.environ.setdefault(name, value)
