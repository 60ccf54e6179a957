"""What a name resolves to whose answers rotate: each shows some of its addresses, and then some others. Pure.

A container that is replaced changes its name's address too, and must be followed at once. The two are told apart by
what comes back: in a rotation an address that had left returns in the place of another one. From then on an address
stays while answers still name it from time to time: it serves, and to leave it costs sessions and streams for nothing.
"""

from __future__ import annotations

from collections.abc import Collection

KEPT_S = 60.0
"""How long an address of a name that rotates stays without being in an answer, and after what time without such a sign
a name rotates no more: twelve looks."""


class Rotation:
    """The answers for one name."""

    def __init__(self) -> None:
        self._newest: frozenset[str] = frozenset()
        self._seen_s: dict[str, float] = {}
        self._stands: tuple[str, ...] = ()
        self._rotated_s = float("-inf")

    def take(self, answer: Collection[str], now_s: float) -> tuple[str, ...]:
        """What the name resolves to after an answer, in order; as many addresses as the answer has.

        Args:
            answer: its addresses.
            now_s: on a clock that never goes back.
        """
        found = frozenset(answer)
        known = {address for address, seen_s in self._seen_s.items() if now_s - seen_s <= KEPT_S}
        has_come_back = bool((found - self._newest) & known)
        if has_come_back and len(found) == len(self._newest):
            self._rotated_s = now_s
        self._newest = found
        self._seen_s = {address: self._seen_s[address] for address in known} | dict.fromkeys(found, now_s)
        first: list[str] = []
        if now_s - self._rotated_s <= KEPT_S:
            first = sorted(self._seen_s.keys() & set(self._stands), key=lambda address: (address not in found, address))
        self._stands = tuple(sorted(list(dict.fromkeys([*first, *sorted(found)]))[: len(found)]))
        return self._stands
