"""The xDS server: what Envoy and gRPC's own client subscribe to, and where they report their load.

Values become bytes in `resources`; a `snapshot` of them is what one group of nodes should have; `cache` keeps the
current one of each group and works out, once for all streams in the same state, what has to be sent. A `stream` takes
bytes in and gives bytes out; `subscription` says what a request means, `acks` what a client was sent and took, `roster`
which nodes have confirmed which generation. `load_reports` and `client_status` are the other two services.
Only `server` knows gRPC. Nothing in here knows an agent, a rollout or a gateway.
"""

from xds import polling as polling  # before anything in here imports gRPC
