"""What an NGINX Plus holds: upstreams in shared memory zones, and keyvals. From its published API description."""

import itertools
import json
from pathlib import Path

SERVER = {
    "weight": 1,
    "max_conns": 0,
    "max_fails": 1,
    "fail_timeout": "10s",
    "slow_start": "0s",
    "route": "",
    "backup": False,
    "down": False,
}
NUMBERS = ("weight", "max_conns", "max_fails")
FLAGS = ("backup", "down", "drain")


class ApiError(Exception):
    """NGINX's no: ``{"error": {"status", "text", "code"}, …}``."""

    def __init__(self, status, text, code):
        super().__init__(text)
        self.status, self.text, self.code = status, text, code


class Peer:
    """One server, with what it has counted."""

    def __init__(self, row):
        self.row = row
        self.requests = self.active = self.total = self.failed = self.fails = 0
        self.current = 0

    @property
    def state(self):
        return "down" if self.row["down"] else "draining" if self.row.get("drain") else "up"

    def told(self):
        responses = {f"{digit}xx": 0 for digit in range(1, 5)}
        whole = {**responses, "2xx": self.total - self.failed, "5xx": self.failed, "codes": {}, "total": self.total}
        row = self.row
        return {
            **{name: row[name] for name in ("id", "server", "weight", "backup")},
            "name": row["server"],
            "state": self.state,
            "active": self.active,
            "requests": self.requests,
            "responses": whole,
            "fails": self.fails,
            "unavail": 0,
            "health_checks": {"checks": 0, "fails": 0, "unhealthy": 0},
            "sent": 0,
            "received": 0,
        }


class Upstream:
    """One upstream with a zone.

    Args:
        servers: as the configuration, or the state file, names them.
        save: called with all servers after each change.
    """

    def __init__(self, servers, save):
        self._ids = itertools.count()
        self._save = save
        self.peers = {}
        self.zombies = []
        for fields in servers:
            self._put(fields)

    def _put(self, fields):
        row = {"id": next(self._ids), **SERVER, **{name: fields[name] for name in fields if name != "id"}}
        self.peers[row["id"]] = Peer(row)
        return row

    def rows(self):
        return [peer.row for peer in self.peers.values()]

    def add(self, fields):
        if not isinstance(fields.get("server"), str):
            raise ApiError(400, 'missing "server" argument', "UpstreamConfFormatError")
        check(fields)
        address = fields["server"] if ":" in fields["server"] else f"{fields['server']}:80"
        row = self._put({**fields, "server": address})
        self._save(self.rows())
        return row

    def change(self, server_id, fields):
        peer = self._peer(server_id)
        if {"id", "host", "backup"} & fields.keys():
            raise ApiError(400, "server is immutable", "UpstreamServerImmutable")
        check(fields)
        peer.row.update(fields)
        self._save(self.rows())
        return peer.row

    def remove(self, server_id):
        peer = self._peer(server_id)
        del self.peers[peer.row["id"]]
        if peer.active:
            self.zombies.append(peer)
        self._save(self.rows())
        return self.rows()

    def _peer(self, server_id):
        if not server_id.isdigit():
            raise ApiError(400, "invalid server ID", "UpstreamBadServerId")
        if int(server_id) not in self.peers:
            raise ApiError(404, f'server with ID "{server_id}" does not exist', "UpstreamServerNotFound")
        return self.peers[int(server_id)]

    def told(self, zone):
        self.zombies = [peer for peer in self.zombies if peer.active]
        peers = [peer.told() for peer in self.peers.values()]
        return {"peers": peers, "keepalive": 0, "zombies": len(self.zombies), "zone": zone}

    def pick(self):
        """Smooth weighted round robin over those that are up; None if nobody is."""
        able = [peer for peer in self.peers.values() if peer.state == "up"]
        for peer in able:
            peer.current += peer.row["weight"]
        best = max(able, key=lambda peer: peer.current, default=None)
        if best is not None:
            best.current -= sum(peer.row["weight"] for peer in able)
        return best


def check(fields):
    unknown = fields.keys() - SERVER.keys() - {"server", "drain", "id", "parent", "host", "service"}
    if unknown:
        raise ApiError(400, f'unknown parameter "{min(unknown)}"', "UpstreamConfFormatError")
    for name in NUMBERS:
        if name in fields and (not isinstance(fields[name], int) or isinstance(fields[name], bool) or fields[name] < 0):
            raise ApiError(400, f"invalid {name}", "UpstreamConfFormatError")
    if fields.get("weight") == 0:
        raise ApiError(400, "invalid weight", "UpstreamBadWeight")
    if any(name in fields and not isinstance(fields[name], bool) for name in FLAGS):
        raise ApiError(400, "invalid flag", "UpstreamConfFormatError")


class Memory:
    """Everything of one instance; ``state`` files survive a kill, counters do not.

    Args:
        configured: upstreams with the servers of the configuration.
        folder: of the state files; None keeps none.
        keyvals: zone to its pairs.
    """

    def __init__(self, configured, folder=None, keyvals=()):
        self.keyvals = {zone: {} for zone in keyvals}
        self.upstreams = {}
        for name, servers in configured.items():
            path = Path(folder, f"{name}.state") if folder else None
            saved = json.loads(path.read_text()) if path and path.is_file() else servers
            self.upstreams[name] = Upstream(saved, lambda rows, path=path: path and path.write_text(json.dumps(rows)))

    def upstream(self, name):
        if name not in self.upstreams:
            raise ApiError(404, "upstream not found", "UpstreamNotFound")
        return self.upstreams[name]

    def keyval(self, zone):
        if zone not in self.keyvals:
            raise ApiError(404, "keyval not found", "KeyvalNotFound")
        return self.keyvals[zone]
