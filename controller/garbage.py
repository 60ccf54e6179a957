"""How often Python looks for garbage that refers to itself.

A push to a thousand Envoys has thousands of objects alive for a moment, and lets go of nearly all of them by itself.
With Python's default it sets off several searches through everything that the program holds: measured, a third of the
push's CPU time. So the search comes less often, and leaves out what was loaded at the start and stays for good.
"""

import gc

OBJECTS_BETWEEN = 50_000
"""New objects less freed ones before the next search: about 10 MB of garbage at the most. Python's default is 700."""


def collect_seldom() -> None:
    """Set it for this process; called once, after everything is imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN, 10, 10)
