"""A limit on how often something may happen. Pure: the time is told."""


class TokenBucket:
    """At most `burst` at once, and `rate_per_s` in the long run."""

    __slots__ = ("_at_s", "_burst", "_rate_per_s", "_tokens")

    def __init__(self, rate_per_s: float, burst: int, now_s: float) -> None:
        assert rate_per_s > 0, "a rate of nothing would wait for ever"
        assert burst >= 1, "a bucket that holds nothing lets nothing through"
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = float(burst)
        self._at_s = now_s

    def take(self, now_s: float) -> float:
        """Take one, and return how many seconds to wait before using it: 0 while within the limit."""
        self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * self._rate_per_s) - 1
        self._at_s = now_s
        return 0.0 if self._tokens >= 0 else -self._tokens / self._rate_per_s
