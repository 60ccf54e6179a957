"""Every module has its unit tests where a reader looks for them, and no unit test outlives its module."""

from __future__ import annotations

from pathlib import PurePosixPath

from tests.tidy.tree import PACKAGES, ROOT, Finding, report, sources

PROVEN_ELSEWHERE: dict[str, tuple[str, str]] = {}
"""Modules without a unit test: module -> (the file that proves it, why a unit test would prove nothing)."""

WITHOUT_SUBSTANCE = ("__init__.py", "__main__.py")


def mirror(module: str) -> str:
    """Where a module's unit tests are: `xds/cache.py` -> `tests/unit/xds/test_cache.py`."""
    path = PurePosixPath(module)
    return f"tests/unit/{path.parent}/test_{path.name}"


def modules() -> tuple[str, ...]:
    return tuple(path for path in sources(*PACKAGES) if PurePosixPath(path).name not in WITHOUT_SUBSTANCE)


def test_every_module_has_its_unit_tests():
    tests = set(sources("tests"))
    report(
        Finding(module, 1, f"no {mirror(module)}", "Write it; or name the proof and the reason in PROVEN_ELSEWHERE.")
        for module in modules()
        if mirror(module) not in tests and module not in PROVEN_ELSEWHERE
    )


def test_every_unit_test_has_its_module():
    """A long test file may be split by aspect: `test_cache_delta.py` still belongs to `cache.py`."""
    owned = {mirror(module).removesuffix(".py") for module in modules()}
    report(
        Finding(test, 1, "a unit test without its module", "Move it beside its module's name, or delete it.")
        for test in sources("tests")
        if test.startswith("tests/unit/") and PurePosixPath(test).name.startswith("test_")
        if not any(test.removesuffix(".py") == name or test.startswith(f"{name}_") for name in owned)
    )


def test_proofs_elsewhere_are_real_and_needed():
    here = "tests/tidy/test_mirror.py"
    for module, (proof, reason) in PROVEN_ELSEWHERE.items():
        assert (ROOT / module).is_file(), f"{here}: {module} is gone; take it off PROVEN_ELSEWHERE"
        assert (ROOT / proof).is_file(), f"{here}: {proof}, said to prove {module}, does not exist"
        assert reason, f"{here}: say why {module} has no unit test"
        assert not (ROOT / mirror(module)).is_file(), f"{here}: {module} has unit tests now; take it off the table"
