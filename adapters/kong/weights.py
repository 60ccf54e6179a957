"""An agent's split as weights of Kong's targets, and the order in which they are changed. Pure.

Kong deals requests from a wheel of (sum of the weights / their common divisor) places, which every worker builds again
at each change. So sums stay at 1,000 or less, and shares are exact in tenths of a percent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from ipaddress import ip_address
from typing import TypeGuard

from adapters.port import WHOLE_BP, Assignment, Version, host_port

SUM_MAX = 1_000
SHARE_BP_MIN = WHOLE_BP // SUM_MAX

RING_POINTS_EACH = 160
"""What each target has of the ring that sessions are hashed onto, on average; more or fewer by its weight."""

RING_TARGETS_MAX = 50
"""Targets of one ring. From about sixty on (160 points each, of 10,000 slots) there is no room for the last of them.
Source: kong/runloop/balancer/consistent_hashing.lua, ``afterHostUpdate``."""

ALONE = 100
"""The weight of each target of a version that has all the traffic; Kong's own default."""

Weights = Mapping[str, int]
"""Target, as :func:`target_name` writes it, to its weight."""


class NotPossibleError(ValueError):
    """The assignment asks for what targets and weights cannot do."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The weights of one agent's upstream.

    Attributes:
        stable: the stable version's targets.
        candidate: the candidate's; empty without one.
        draining: targets that stay with weight 0 if they are there, for what is in flight and for a quick return.
    """

    stable: Weights
    candidate: Weights
    draining: frozenset[str] = frozenset()

    @property
    def all(self) -> dict[str, int]:
        """Every target that must be there; whatever else is in the upstream has weight 0."""
        return {**self.candidate, **self.stable}

    @property
    def known(self) -> frozenset[str]:
        """Every target that is not taken away."""
        return self.draining | self.candidate.keys() | self.stable.keys()


def target_name(endpoint: str) -> str:
    """``host:port`` in the one spelling in which targets are compared: Kong writes IPv6 addresses out in full."""
    host, port = host_port(endpoint)
    try:
        address = ip_address(host)
    except ValueError:
        return f"{host.lower()}:{port}"
    return f"[{address.compressed}]:{port}" if address.version == 6 else f"{address}:{port}"


def is_whole(value: object) -> TypeGuard[int]:
    """Whether a value of some JSON is a whole number; ``true`` is none."""
    return isinstance(value, int) and not isinstance(value, bool)


def target_at(host: object, port: object) -> str:
    """The target at what some JSON says is an address; empty where it is none."""
    return target_name(f"{host}:{port}") if isinstance(host, str) and is_whole(port) else ""


def target_in(row: Mapping[str, object]) -> str:
    """The target of a row; empty where it is none."""
    target = row.get("target")
    try:
        return target_name(target) if isinstance(target, str) else ""
    except ValueError:
        return ""


def targets_of(version: Version) -> tuple[str, ...]:
    """A version's targets, each once."""
    return tuple(dict.fromkeys(target_name(endpoint) for endpoint in version.endpoints))


def wanted_of(assignment: Assignment) -> Wanted:
    """An assignment as weights.

    The candidate's share is exact where a fraction of at most 1,000 parts says it; otherwise it is rounded down to a
    tenth of a percent, because a candidate never gets more than was agreed to.

    Raises:
        NotPossibleError: a copy of requests, a share below a tenth of a percent, or versions on the same address.
    """
    split, candidate = assignment.split, assignment.candidate
    stable_targets = targets_of(assignment.stable)
    candidate_targets = targets_of(candidate) if candidate else ()
    if split.mirror_bp:
        raise NotPossibleError("Kong cannot copy requests to a candidate")
    if shared := set(stable_targets) & set(candidate_targets):
        if split.candidate_bp:
            raise NotPossibleError(f"stable and candidate share {min(shared)}: Kong tells them apart by address")
        candidate_targets = tuple(target for target in candidate_targets if target not in shared)
    if assignment.stickiness and 0 < split.candidate_bp < WHOLE_BP and not fits_ring(assignment):
        raise NotPossibleError(f"Kong cannot keep sessions: more than {RING_TARGETS_MAX} targets do not fit its ring")
    if 0 < split.candidate_bp < SHARE_BP_MIN:
        raise NotPossibleError(f"{split.candidate_bp / 100:g} % is less than weights can give ({SHARE_BP_MIN / 100} %)")
    draining = frozenset(target for version in assignment.draining for target in targets_of(version))
    return replace(_weighted(stable_targets, candidate_targets, _share(split.candidate_bp)), draining=draining)


def share_given(candidate_bp: int, stable_targets: int, candidate_targets: int) -> float:
    """What :func:`wanted_of` makes of a share, in basis points; 0 where it is refused. However many targets."""
    del stable_targets, candidate_targets
    return 0.0 if candidate_bp < SHARE_BP_MIN else float(_share(candidate_bp) * WHOLE_BP)


def ring_points(wanted: Wanted) -> tuple[int, int]:
    """How many points of Kong's ring stable and the candidate have: by weight, rounded down, and one a target at least.

    Kong counts targets without weight in, too, which gives the others more points. Fewer are the more cautious guess.
    """
    weights = wanted.all
    total, points = sum(weights.values()), RING_POINTS_EACH * len(weights)
    each = {target: max(1, weight * points // total) if weight else 0 for target, weight in weights.items()}
    return sum(each[target] for target in wanted.stable), sum(each[target] for target in wanted.candidate)


def fits_ring(assignment: Assignment) -> bool:
    """Whether Kong can build a ring of all targets. Where it cannot, it answers 503 to all, and says it is well."""
    return len({target for version in assignment.versions for target in targets_of(version)}) <= RING_TARGETS_MAX


def share_kept(candidate_bp: int, stable_targets: int, candidate_targets: int) -> float:
    """What becomes of a share where sessions are hashed: each target that has a weight gets a point of the ring."""
    given = share_given(candidate_bp, stable_targets, candidate_targets)
    points = RING_POINTS_EACH * (stable_targets + candidate_targets)
    return max(given, WHOLE_BP * candidate_targets / points) if given else given


def changes(now: Weights, wanted: Wanted) -> list[tuple[str, int]]:
    """What to change, in this order, so that the candidate never has more than before or after, and never all is 0.

    Args:
        now: what every target of the upstream has; one that is missing is made with its weight.
        wanted: what is to be.
    """
    rest = dict.fromkeys(now.keys() - wanted.all.keys(), 0)
    stable_now = sum(now.get(target, 0) for target in wanted.stable)
    stable_first = sum(wanted.stable.values()) >= stable_now
    stable = _moves(now, wanted.stable, raises_first=True)
    remains = sum(wanted.stable.values()) if stable_first else stable_now
    candidate = _moves(now, wanted.candidate, raises_first=not remains)
    both = [*stable, *candidate] if stable_first else [*candidate, *stable]
    return [*both, *_moves(now, rest, raises_first=True)]


def goes_on(now: Weights, wanted: Wanted, change: tuple[str, int]) -> bool:
    """Whether a change is made although another was refused: it takes from the candidate, and stable serves.

    A way back does not wait until every instance of stable can be added.
    """
    target, weight = change
    takes = target not in wanted.stable and weight < now.get(target, 0)
    return takes and any(now.get(name, 0) and weight for name, weight in wanted.stable.items())


def _moves(now: Weights, wanted: Weights, *, raises_first: bool) -> list[tuple[str, int]]:
    changed = [(target, weight) for target, weight in sorted(wanted.items()) if now.get(target) != weight]
    return sorted(changed, key=lambda move: (move[1] >= now.get(move[0], 0)) != raises_first)


def _share(candidate_bp: int) -> Fraction:
    exact = Fraction(candidate_bp, WHOLE_BP)
    return exact if exact.denominator <= SUM_MAX else Fraction(candidate_bp // SHARE_BP_MIN, SUM_MAX)


def _weighted(stable: tuple[str, ...], candidate: tuple[str, ...], share: Fraction) -> Wanted:
    if share == 0:
        return Wanted(_alone(stable), dict.fromkeys(candidate, 0))
    if share == 1:
        return Wanted(dict.fromkeys(stable, 0), _alone(candidate))
    own, rest = share.numerator, share.denominator - share.numerator

    def evenness(scale: int) -> tuple[bool, bool, int]:
        return rest * scale % len(stable) == 0, own * scale % len(candidate) == 0, scale

    scale = max(range(1, SUM_MAX // share.denominator + 1), key=evenness)
    return Wanted(_spread(stable, rest * scale), _spread(candidate, own * scale))


def _alone(targets: tuple[str, ...]) -> Weights:
    return dict.fromkeys(targets, max(1, min(ALONE, SUM_MAX // max(1, len(targets)))))


def _spread(targets: tuple[str, ...], total: int) -> Weights:
    """As evenly as whole numbers allow; the sum is exact, because that is the share."""
    each, more = divmod(total, len(targets))
    return {target: each + (index < more) for index, target in enumerate(targets)}
