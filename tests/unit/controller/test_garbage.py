"""In a process of its own: it is a setting of the whole interpreter."""

import subprocess
import sys

SCRIPT = """
import gc
from controller.garbage import OBJECTS_BETWEEN, collect_seldom

collect_seldom()
assert gc.isenabled(), "garbage that refers to itself would never go"
assert gc.get_threshold()[0] == OBJECTS_BETWEEN
assert gc.get_freeze_count() > 1000, "what is imported is searched again and again"
print("kept")
"""


def test_garbage_is_still_searched_for_and_less_often():
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "kept\n"
