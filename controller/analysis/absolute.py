"""The absolute tests: is the candidate's bad fraction above what is allowed, is it shown to be below?

Against "p <= p0": ln S_j = bad ln(p_j/p0) + good ln((1-p_j)/(1-p0)) for alternatives p_j > p0, evenly spaced in their
log-odds.

**The guard.** In an outage that both tracks share the candidate exceeds p0 through no fault of its own. So evidence is
gathered twice, and both must suffice:

- alone: the factors above.
- the guard: the same alternatives in the relative test's factor, without a margin, against "p <= stable's rate at that
  time"; where stable is not there to compare with (see `evidence`), it is the factor above. While stable's alarm is up
  the candidate may be a margin worse.

Were the candidate within p0 all along, the first is an e-process; were it no worse than stable all along, the second
is: either way both are large with a chance of at most alpha, with no need to notice an outage in time.

**Backing.** A candidate may be worse than stable and yet within p0 in quiet times, and beyond p0 and yet no worse than
stable in an outage. It would win the guard in the former and the other in the latter, and be blamed for neither. So no
stake of one is ever worth more than all stakes of the other together; what goes beyond is forgotten. That leaves each
an e-process (it only loses), and whoever goes from one case to the other takes along no more than was won against them
in the one they come from (times the number of alternatives at most), which is next to nothing for a candidate that is
well within p0. To count block by block only the smaller of the two factors would bound it more tightly, and chance
would eat up what a slowly failing candidate has earned.
"""

import functools

from controller.analysis import relative
from controller.analysis.indicators import Block, Counts
from controller.analysis.rates import clamped, log_likelihood_ratio, shifted

ALTERNATIVES = 12
_ODDS_RATIO_MIN = 1.5
_ODDS_RATIO_MAX_BELOW = 100.0
_RATE_TOP = 0.99
_LOG_IMPOSSIBLE = 1_000.0  # a bad event where none can be: worth any stake


@functools.cache
def alternatives_above(max_rate: float) -> tuple[float, ...]:
    """The rates p_j > p0, from odds 1.5 times those of `max_rate` up to 99 % bad (or tenfold odds).

    The top counts where stable gets few requests: it bounds what each of them says of a candidate that always fails.
    """
    p0 = clamped(max_rate)
    top = max(_RATE_TOP / (1.0 - _RATE_TOP) * (1.0 - p0) / p0, 10.0)
    return tuple(shifted(p0, ratio) for ratio in _spaced(_ODDS_RATIO_MIN, top))


@functools.cache
def alternatives_below(max_rate: float) -> tuple[float, ...]:
    """The rates p_j < p0, down to a hundredth of the odds of `max_rate`."""
    p0 = clamped(max_rate)
    return tuple(shifted(p0, 1.0 / ratio) for ratio in _spaced(_ODDS_RATIO_MIN, _ODDS_RATIO_MAX_BELOW))


def log_factors_alone(counts: Counts, max_rate: float) -> tuple[float, ...]:
    """Log S per alternative against "p <= max_rate"."""
    if max_rate == 0.0:
        return (_LOG_IMPOSSIBLE if counts.bad else 0.0,) * ALTERNATIVES
    p0 = clamped(max_rate)
    return tuple(log_likelihood_ratio(counts, p, p0) for p in alternatives_above(max_rate))


def log_factors_beside(block: Block, stable_guess: float, max_rate: float, margin: float) -> tuple[float, ...]:
    """Log S per alternative against "the candidate is no worse than stable + margin".

    The factors alone where stable was not there, and for a `max_rate` of 0: "never" knows no excuse.
    """
    if not block.stable.valid or max_rate == 0.0:
        return log_factors_alone(block.candidate, max_rate)
    return tuple(
        # A guess that stable's rate itself excuses lies in the null, and bets nothing.
        0.0 if p <= stable_guess + margin else relative.log_factor(block, p, stable_guess, margin)
        for p in alternatives_above(max_rate)
    )


def log_factors_better(counts: Counts, max_rate: float) -> tuple[float, ...]:
    """Log S per alternative against "p >= max_rate": large when the candidate is shown to be within its objective."""
    p0 = clamped(max_rate)
    return tuple(log_likelihood_ratio(counts, p, p0) for p in alternatives_below(max_rate))


def _spaced(low: float, high: float) -> tuple[float, ...]:
    """ALTERNATIVES numbers from `low` to `high`, evenly spaced in their logarithm."""
    step = (high / low) ** (1.0 / (ALTERNATIVES - 1))
    return tuple(low * step**i for i in range(ALTERNATIVES))
