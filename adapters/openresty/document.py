"""An agent's assignment as ``gateway-configs/openresty/turnout.lua`` takes it, and what it answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isfinite
from typing import Any

from adapters.port import ALL_STABLE, Assignment, Tally, Version, latency_over

Document = dict[str, Any]
Addresses = Mapping[str, tuple[str, ...]]
"""What each ``host:port`` endpoint resolves to: ``address:port``, an IPv6 address in brackets."""

ITEMS_MAX = 256
"""The longest list that the Lua module takes: hosts, headers, addresses of a version, ..."""


class DocumentError(ValueError):
    """An assignment that this gateway cannot carry out; the message is for people."""


class AddressError(DocumentError):
    """A version has no address, or too many: that may pass. ``code`` is one of GatewayError's."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def served(assignment: Assignment, addresses: Addresses) -> tuple[Assignment, str]:
    """The assignment without a candidate that cannot be served, where nothing is to go there; and why it cannot.

    The way back must not be refused because of the version that it leaves.
    """
    candidate = assignment.candidate
    if candidate is None or assignment.split != ALL_STABLE:
        return assignment, ""
    try:
        _version(candidate, addresses)
    except DocumentError as error:
        return replace(assignment, candidate=None, draining=(*assignment.draining, candidate)), str(error)
    return assignment, ""


def document(assignment: Assignment, addresses: Addresses) -> Document:
    """The assignment as one JSON object. What is empty is left out, because Lua knows no empty list.

    Raises:
        DocumentError: nginx cannot do that.
    """
    if assignment.split.mirror_bp:
        raise DocumentError("it cannot copy requests to a candidate")
    sticky = assignment.stickiness
    whole: Document = {
        "hosts": list(assignment.route.hosts),
        "path_prefix": assignment.route.path_prefix,
        "headers": [{"name": header.name, "value": header.value} for header in assignment.route.headers],
        "stable": _version(assignment.stable, addresses),
        "candidate": _version(assignment.candidate, addresses) if assignment.candidate else None,
        "candidate_bp": assignment.split.candidate_bp,
        "draining": [version.name for version in assignment.draining],
        "stickiness": {"header": sticky.header}
        if sticky and sticky.header
        else {"cookie": sticky.cookie}
        if sticky
        else {},
        "dead_man_s": assignment.dead_man_s if assignment.candidate else None,
        "request_timeout_s": assignment.request_timeout_s,
        "retries": assignment.retries,
        "indicators": list(assignment.indicators),
        "latency_limits_s": sorted(assignment.latency_limits_s),
    }
    for field, value in whole.items():
        if isinstance(value, list) and len(value) > ITEMS_MAX:
            raise DocumentError(f"it takes at most {ITEMS_MAX} {field}, not {len(value)}")
    return {field: value for field, value in whole.items() if value not in (None, [], {})}


def _version(version: Version, addresses: Addresses) -> Document:
    if version.http2:
        raise DocumentError(f"nginx speaks no HTTP/2 to agents, and {version.name} wants it")
    peers = [peer for endpoint in version.endpoints for peer in addresses.get(endpoint, ())]
    if not 0 < len(peers) <= ITEMS_MAX:
        what = f"{version.name} has {len(peers)} addresses, and it takes 1 to {ITEMS_MAX}"
        raise AddressError(what, "invalid" if peers else "not-found")
    return {"name": version.name, "peers": peers}


def generation_in(answer: Mapping[str, Any]) -> int:
    """The generation that an answer tells; 0 where there is no such agent."""
    record = answer.get("record", answer)
    found = record.get("generation") if isinstance(record, Mapping) else None
    return found if isinstance(found, int) and not isinstance(found, bool) and found >= 0 else 0


def takes_from(answer: Mapping[str, Any], stable: Version) -> bool:
    """Whether what stands gives a candidate what would be this stable version's otherwise."""
    record = answer.get("record")
    stands = record.get("assignment") if isinstance(record, Mapping) else None
    if not isinstance(stands, Mapping) or not stands.get("candidate_bp"):
        return False
    version = stands.get("stable")
    return isinstance(version, Mapping) and version.get("name") == stable.name


def difference(answer: Mapping[str, Any], wanted: Document) -> str:
    """How what stands differs from what is wanted, in a sentence for people; empty if it does not."""
    record = answer.get("record")
    stands = record.get("assignment") if isinstance(record, Mapping) else None
    if not isinstance(record, Mapping) or not isinstance(stands, Mapping):
        return "it knows no such agent"
    who = f"set by {record['by']}" if record.get("by") else "set by somebody"
    share_bp, wanted_bp = answer.get("share_bp"), wanted["candidate_bp"]
    if stands.get("candidate_bp") != wanted_bp:
        return f"the candidate's share is {stands.get('candidate_bp')} bp ({who}), not {wanted_bp}"
    fields = sorted(field for field in {*stands, *wanted} if stands.get(field) != wanted.get(field))
    if fields:
        return f"it has another {', '.join(fields)} ({who})"
    if share_bp != wanted_bp:
        return f"its dead-man switch has fired: the candidate's share is {share_bp} bp, not {wanted_bp}"
    return ""


def set_by(answer: Mapping[str, Any]) -> str:
    """Who set what stands; empty where nothing does, and where nobody said."""
    record = answer.get("record")
    return str(record.get("by") or "") if isinstance(record, Mapping) else ""


def unsaved_in(answer: Mapping[str, Any]) -> str:
    """Why a restart of nginx would not bring back what stands, in a sentence; empty where it would."""
    return f"not saved for a restart of nginx: {answer['unsaved']}" if answer.get("unsaved") else ""


def tallies_in(answer: Mapping[str, Any]) -> tuple[dict[str, Tally], dict[str, int]]:
    """Cumulative counts, and requests in flight, per version. Raises ValueError where the answer makes no sense."""
    tallies: dict[str, Tally] = {}
    in_flight: dict[str, int] = {}
    for name, counted in _mapping(answer.get("versions")).items():
        counts = _mapping(counted)
        outcomes = {indicator: _pair(pair) for indicator, pair in _mapping(counts.get("outcomes")).items()}
        limits = {latency_over(float(limit)): _pair(pair) for limit, pair in _mapping(counts.get("latency")).items()}
        requests, errors = _count(counts.get("requests")), _count(counts.get("errors"))
        tallies[name] = Tally(requests, errors, {**outcomes, **limits})
        # A worker that starts just now, or has been killed, may be counted in part.
        in_flight[name] = max(0, _whole(counts.get("in_flight")))
    return tallies, in_flight


def _mapping(value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r:.80} is no object")  # noqa: TRY004 - one error for every odd answer
    return value


def _whole(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value % 1:
        raise ValueError(f"{value!r:.80} is no count")
    return int(value)


def _count(value: object) -> int:
    if (count := _whole(value)) < 0:
        raise ValueError(f"{count} is no count")
    return count


def _pair(value: object) -> tuple[int, float]:
    if not (isinstance(value, list) and len(value) == 2):
        raise ValueError(f"{value!r:.80} is no pair of requests and their sum")
    requests, total = value
    if isinstance(total, bool) or not isinstance(total, int | float) or not (isfinite(total) and total >= 0):
        raise ValueError(f"{total!r:.80} is no sum")
    return _count(requests), float(total)
