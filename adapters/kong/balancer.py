"""What a node says that its balancer does now: ``GET /upstreams/{name}/health?balancer_health=1``. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .weights import Weights, is_whole, target_at


@dataclass(frozen=True, slots=True)
class Balancer:
    """One node's balancer of one upstream.

    Attributes:
        weights: what each of its targets has now, over all addresses of its name.
        addresses: ``ip:port`` of each address to the target that it belongs to.
        plural: targets whose name has several addresses, with how many: Kong gives each the whole weight.
    """

    weights: Mapping[str, int]
    addresses: Mapping[str, str]
    plural: Mapping[str, int]


def read(answer: Mapping[str, object]) -> Balancer | None:
    """A node's answer; None while it has no balancer for the upstream yet (about 5 s after it was made)."""
    hosts = _get(_get(answer, "data"), "details").get("hosts")
    if not isinstance(hosts, list):
        return None
    weights: dict[str, int] = {}
    addresses: dict[str, str] = {}
    plural: dict[str, int] = {}
    for host in hosts:
        name = _name(host, "host")
        weight = host.get("nodeWeight") if isinstance(host, dict) else None
        if not name or not is_whole(weight):
            return None
        listed = host.get("addresses")
        found = [address for entry in (listed if isinstance(listed, list) else ()) if (address := _name(entry, "ip"))]
        weights[name] = weight
        addresses.update(dict.fromkeys(found, name))
        if len(found) > 1:
            plural[name] = len(found)
    return Balancer(weights, addresses, plural)


def difference(balancer: Balancer | None, wanted: Weights) -> str:
    """What a balancer does other than what is wanted, in a sentence; empty if nothing."""
    if balancer is None:
        return "it has no balancer for the upstream yet"
    for target, weight in sorted({**dict.fromkeys(balancer.weights, 0), **wanted}.items()):
        found = balancer.weights.get(target, 0)
        if found != weight:
            return f"its balancer gives {target} weight {found}, not {weight}"
        if weight and balancer.plural.get(target):
            return f"{target} has {balancer.plural[target]} addresses, and Kong gives each the whole weight: list them"
    return ""


def _name(entry: object, key: str) -> str:
    return target_at(entry.get(key), entry.get("port")) if isinstance(entry, dict) else ""


def _get(value: object, key: str) -> Mapping[str, object]:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}
