"""One simulated Kong node: ``python -m tests.contract.simulators.kong --admin PORT --proxy PORT --config FILE``.

With ``--database FILE`` the configuration survives a kill, as a database would; without, the node is DB-less and begins
with ``--config`` again. Prints ``ready`` when both ports are served.
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path

import yaml

from tests.contract.simulators.forwarding import for_ever, serve

from .admin import AdminApi
from .proxy import Proxy
from .ring import Ring
from .store import Store

EFFECT_DELAY_S = 0.01


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--admin", type=int, required=True)
    parser.add_argument("--proxy", type=int, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--database", type=Path)
    parser.add_argument("--token")
    options = parser.parse_args()
    store = Store(time.time, options.database)
    settles = {} if options.database else {"settles_after_s": 0.0}
    ring = Ring(store, time.monotonic, delay_s=EFFECT_DELAY_S, **settles)
    store.changed = ring.heard
    if not (options.database and options.database.is_file()):
        store.load(yaml.safe_load(options.config.read_text()), flatten=False)
    ring.boot()
    database = "postgres" if options.database else "off"
    admin = await serve(AdminApi(store, ring, database=database, token=options.token).app(), options.admin)
    proxy = await serve(Proxy(store, ring).app(), options.proxy)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    try:
        await for_ever()
    finally:
        await proxy.cleanup()
        await admin.cleanup()


asyncio.run(main())
