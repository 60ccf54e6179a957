"""The xDS server: what Envoy and gRPC's own client subscribe to, and where they report their load.

Values become bytes in `resources`; a `snapshot` of them is what one group of nodes should have; `cache` keeps the
current one of each group and works out, once for all streams in the same state, what has to be sent. A `stream` takes
bytes in and gives bytes out; `subscription` says what a request means, `acks` what a client was sent and took, `roster`
which nodes have confirmed which generation. `load_reports` and `client_status` are the other two services.
Only `server` knows gRPC. Nothing in here knows an agent, a rollout or a gateway.
"""

import os

# gRPC's newer way to listen hands each message through three threads of its own; the one before lets the thread that
# waits for messages read them too, which is a third of the CPU time less (docs/benchmarks.md). gRPC reads this once,
# when it starts, so it stands before anything that imports gRPC. Whoever has set it knows better.
os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_listener")

# No process of ours forks and goes on without another program; gRPC would log at each start of one that it is in use.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
