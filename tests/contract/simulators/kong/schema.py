"""What Kong 3.9.3 takes as an upstream, a target, a service or a route; what it fills in; how it says no."""

import copy
import ipaddress
import re
from urllib.parse import urlsplit

FAILED = [429, 404, 500, 501, 502, 503, 504, 505]
GOOD = [*range(200, 209), 226, *range(300, 309)]

UPSTREAM = {
    "name": None,
    "algorithm": "round-robin",
    "hash_on": "none",
    "hash_on_header": None,
    "hash_on_cookie": None,
    "hash_on_cookie_path": "/",
    "hash_on_query_arg": None,
    "hash_on_uri_capture": None,
    "hash_fallback": "none",
    "hash_fallback_header": None,
    "hash_fallback_query_arg": None,
    "hash_fallback_uri_capture": None,
    "slots": 10_000,
    "host_header": None,
    "client_certificate": None,
    "use_srv_name": False,
    "tags": None,
    "healthchecks": {
        "threshold": 0,
        "passive": {
            "type": "http",
            "healthy": {"successes": 0, "http_statuses": GOOD},
            "unhealthy": {"tcp_failures": 0, "timeouts": 0, "http_failures": 0, "http_statuses": [429, 500, 503]},
        },
        "active": {
            "type": "http",
            "timeout": 1,
            "concurrency": 10,
            "http_path": "/",
            "https_sni": None,
            "https_verify_certificate": True,
            "headers": None,
            "healthy": {"interval": 0, "successes": 0, "http_statuses": [200, 302]},
            "unhealthy": {
                "interval": 0,
                "tcp_failures": 0,
                "timeouts": 0,
                "http_failures": 0,
                "http_statuses": FAILED,
            },
        },
    },
}
TARGET = {"target": None, "weight": 100, "tags": None, "upstream": None}
SERVICE = {
    "name": None,
    "protocol": "http",
    "host": None,
    "port": 80,
    "path": None,
    "connect_timeout": 60_000,
    "read_timeout": 60_000,
    "write_timeout": 60_000,
    "retries": 5,
    "enabled": True,
    "tags": None,
    "tls_verify": None,
    "tls_verify_depth": None,
    "client_certificate": None,
    "ca_certificates": None,
}
ROUTE = {
    "name": None,
    "service": None,
    "paths": None,
    "hosts": None,
    "methods": None,
    "headers": None,
    "snis": None,
    "sources": None,
    "destinations": None,
    "tags": None,
    "strip_path": True,
    "preserve_host": False,
    "regex_priority": 0,
    "path_handling": "v0",
    "https_redirect_status_code": 426,
    "request_buffering": True,
    "response_buffering": True,
    "protocols": ["http", "https"],
}
DEFAULTS = {"upstreams": UPSTREAM, "targets": TARGET, "services": SERVICE, "routes": ROUTE}
REQUIRED = {"upstreams": "name", "targets": "target", "services": "host"}
ALGORITHMS = ("consistent-hashing", "least-connections", "round-robin", "latency")
STAMPS = ("id", "created_at", "updated_at")


def defaulted(kind, fields):
    """An entity with everything that was left out; mappings within are completed too."""
    return _completed(DEFAULTS[kind], fields)


def _completed(defaults, fields):
    whole = copy.deepcopy(defaults)
    for name, value in fields.items():
        nested = isinstance(value, dict) and isinstance(whole.get(name), dict)
        whole[name] = _completed(whole[name], value) if nested else value
    return whole


def faults(kind, fields, *, partial=False):
    """What is wrong, field by field, in Kong's words."""
    found = {name: "unknown field" for name in fields if name not in DEFAULTS[kind] and name not in STAMPS}
    required = REQUIRED.get(kind)
    if required and not partial and fields.get(required) is None:
        found[required] = "required field missing"
    for name, value in fields.items():
        if words := _FAULTS.get((kind, name), lambda _: None)(value):
            found[name] = words
    return found


def _weight(value):
    if isinstance(value, bool) or not isinstance(value, int):
        return None if value is None else "expected an integer"
    return None if 0 <= value <= 65_535 else "value should be between 0 and 65535"


def _upstream_name(value):
    if not isinstance(value, str):
        return None
    if re.fullmatch(r"[0-9.]+|.*:.*", value):
        return f"Invalid name ('{value}'); no ip addresses allowed"
    return None if re.fullmatch(r"[A-Za-z0-9._-]+", value) else f"Invalid name ('{value}'); must be a valid hostname"


def _algorithm(value):
    return None if value in ALGORITHMS else f"expected one of: {', '.join(ALGORITHMS)}"


def _target(value):
    if value is None:
        return None
    return None if address(value) else "Invalid target; not a valid hostname or ip address"


_FAULTS = {
    ("targets", "weight"): _weight,
    ("targets", "target"): _target,
    ("upstreams", "name"): _upstream_name,
    ("upstreams", "algorithm"): _algorithm,
}


def address(text):
    """``host:port`` as Kong writes it: 8000 where no port is, IPv6 in full; None if it is no address."""
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?", str(text))
    if not found:
        return None
    host, port = found[1], found[2] or "8000"
    if host.startswith("["):
        host = f"[{ipaddress.IPv6Address(host[1:-1]).exploded}]"
    return f"{host}:{port}"


def service_of(fields):
    """A service whose ``url`` is taken apart."""
    fields = dict(fields)
    if url := fields.pop("url", None):
        parts = urlsplit(url)
        fields |= {"protocol": parts.scheme, "host": parts.hostname, "port": parts.port or 80, "path": parts.path}
    return fields
