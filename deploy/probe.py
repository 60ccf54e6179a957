#!/usr/bin/env python3
"""Ask the controller on this machine how it is: exit 0 if it answers 200, else 1 with one line that says why.

`turnout-probe /healthz` says whether it lives, `/readyz` whether it serves. It runs inside the container, so that it
works while the API listens on loopback only. The address is that of TURNOUT_HTTP, as for `turnout run`, and it asks
over TLS where TURNOUT_HTTP_CERT is set.
"""

from __future__ import annotations

import http.client
import os
import ssl
import sys

TIMEOUT_S = 2.0


def probe(address: str, path: str, *, tls: bool = False) -> str:
    """What is wrong, in one line; empty when all is well."""
    if tls:
        # Whose name stands in the certificate does not matter: it says nothing secret, and asks its own machine.
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(address, timeout=TIMEOUT_S, context=trusting)
    else:
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
    where, what = os.environ.get("TURNOUT_HTTP", "127.0.0.1:8900"), sys.argv[1] if len(sys.argv) > 1 else "/healthz"
    trouble = probe(where, what, tls=bool(os.environ.get("TURNOUT_HTTP_CERT")))
    sys.exit(trouble or 0)
