"""One node's balancers: what its workers do now, which is not always what the configuration says."""

import bisect
import hashlib
import math

POINTS_EACH = 160
SETTLES_AFTER_S = 5.0
"""A new upstream has no balancer for so long (measured)."""


class Balancer:
    """One upstream at one node.

    Attributes:
        weights: target to its weight in effect.
        down: targets that are taken for unhealthy.
    """

    def __init__(self, upstream, targets):
        self.down = set()
        self._able, self._drawn = {}, []
        self.follow(upstream, targets)

    def follow(self, upstream, targets):
        """Take a configuration; the wheel begins anew."""
        self.upstream = upstream
        self.targets = {row["target"]: row["id"] for row in targets}
        self.weights = {row["target"]: row["weight"] for row in targets}
        self._current = dict.fromkeys(self.weights, 0)

    @property
    def is_checked(self):
        checks = self.upstream["healthchecks"]
        active = checks["active"]
        return bool(active["healthy"]["interval"] or active["unhealthy"]["interval"])

    def health(self, target):
        if not self.is_checked or not self.weights[target]:
            return "HEALTHCHECKS_OFF"
        return "UNHEALTHY" if target in self.down else "HEALTHY"

    def pick(self, session=None):
        """The next target; None if there is none to pick ("failure to get a peer from the ring-balancer")."""
        able = {target: weight for target, weight in self.weights.items() if weight and target not in self.down}
        if not able:
            return None
        if session is not None:
            points = self._points(able)
            place = bisect.bisect(points, (_hashed(session), "")) % len(points)
            return points[place][1]
        return self._turn(able)

    def _points(self, able):
        """Of each target by its weight, 160 on average and one at least: so few that chance decides on their share."""
        if self._able != able:
            each = POINTS_EACH * len(self.weights) / sum(able.values())
            many = {target: max(1, int(each * weight)) for target, weight in able.items()}
            self._drawn = sorted((_hashed(f"{target}:{n}"), target) for target in able for n in range(many[target]))
            self._able = able
        return self._drawn

    def _turn(self, able):
        """Smooth weighted round robin: exact over one turn of the wheel, whatever the worker began with."""
        for target, weight in able.items():
            self._current[target] += weight
        best = max(able, key=lambda target: self._current[target])
        self._current[best] -= sum(able.values())
        return best

    def rows(self):
        """``data.details.hosts`` of ``balancer_health``."""
        return [
            {
                "host": target.rpartition(":")[0],
                "port": int(target.rpartition(":")[2]),
                "dns": "A",
                "nodeWeight": weight,
                "weight": self.weight(target),
                "addresses": [{**self.address(target), "healthy": target not in self.down, "weight": weight}],
            }
            for target, weight in sorted(self.weights.items())
        ]

    def weight(self, target):
        weight = self.weights[target]
        lost = weight if target in self.down else 0
        return {"total": weight, "available": weight - lost, "unavailable": lost}

    def address(self, target):
        host, _, port = target.rpartition(":")
        return {"ip": "127.0.0.1" if host == "localhost" else host, "port": int(port)}

    def summary(self):
        """``balancer_health`` of the whole upstream."""
        weights = [self.weight(target) for target in self.weights]
        whole = {key: sum(weight[key] for weight in weights) for key in ("total", "available", "unavailable")}
        healthy = whole["available"] > 0
        health = "HEALTHY" if healthy else "UNHEALTHY"
        details = {"healthy": healthy, "hosts": self.rows(), "weight": whole}
        return {"id": self.upstream["id"], "health": health, "balancer_health": health, "details": details}


def _hashed(text):
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


class Ring:
    """All balancers of one node.

    Args:
        store: the configuration.
        now_s: the time.
        delay_s: how long a change takes to reach this node.
        settles_after_s: how long a new upstream has no balancer.
    """

    def __init__(self, store, now_s, *, delay_s=0.0, settles_after_s=SETTLES_AFTER_S):
        self._store = store
        self._now_s = now_s
        self._delay_s = delay_s
        self._settles_after_s = settles_after_s
        self._balancers = {}
        self._since_s = {}
        self._pending = []

    def heard(self, delay_s=None):
        """The configuration has changed: it takes effect after the delay."""
        image = [
            (upstream, self._store.listed("targets", upstream={"id": upstream["id"]}))
            for upstream in self._store.listed("upstreams")
        ]
        self._pending.append((self._now_s() + (self._delay_s if delay_s is None else delay_s), image))

    def of(self, upstream_id):
        """The balancer of an upstream; None while there is none."""
        now_s = self._now_s()
        while self._pending and self._pending[0][0] <= now_s:
            at_s, image = self._pending.pop(0)
            self._follow(image, at_s)
        if now_s - self._since_s.get(upstream_id, now_s) < self._settles_after_s:
            return None
        return self._balancers.get(upstream_id)

    def _follow(self, image, at_s):
        known = {upstream["id"] for upstream, _ in image}
        self._balancers = {key: found for key, found in self._balancers.items() if key in known}
        for upstream, targets in image:
            found = self._balancers.get(upstream["id"])
            if found is None:
                self._balancers[upstream["id"]] = Balancer(upstream, targets)
                self._since_s.setdefault(upstream["id"], at_s)
            elif (found.upstream, found.weights) != (upstream, {row["target"]: row["weight"] for row in targets}):
                found.follow(upstream, targets)

    def boot(self):
        """A program that starts has balancers for all that it finds."""
        self.heard(0.0)
        for upstream in self._store.listed("upstreams"):
            self._since_s[upstream["id"]] = -math.inf
