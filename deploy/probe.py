#!/usr/bin/env python3
"""Ask the controller on this machine how it is: exit 0 if it answers 200, else 1 with one line that says why.

`turnout-probe /healthz` says whether it lives, `/readyz` whether it serves. It runs inside the container, so that it
works while the API listens on loopback only. The address is that of TURNOUT_HTTP, as for `turnout run`.
"""

from __future__ import annotations

import http.client
import os
import sys

TIMEOUT_S = 2.0


def probe(address: str, path: str) -> str:
    """What is wrong, in one line; empty when all is well."""
    connection = http.client.HTTPConnection(address, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"{address}{path}: {error}"
    finally:
        connection.close()
    return "" if status == http.client.OK else f"{address}{path}: answered {status}"


if __name__ == "__main__":
    trouble = probe(os.environ.get("TURNOUT_HTTP", "127.0.0.1:8900"), sys.argv[1] if len(sys.argv) > 1 else "/healthz")
    sys.exit(trouble or 0)
