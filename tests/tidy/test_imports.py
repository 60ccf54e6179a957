"""The import rules hold whoever is there: a new gateway, room or module that no rule names could import anything."""

from __future__ import annotations

import configparser

import pytest

from tests.tidy.tree import ROOT

RULES = configparser.ConfigParser()
RULES.read(ROOT / ".importlinter")

SHARED = {
    "adapters.port",
    "adapters.capabilities",
    "adapters.nodes",
    "adapters.trust",
    "adapters.names",
    "adapters.rotation",
}
"""What every gateway may use."""
GATEWAYS = {f"adapters.{path.stem}" for path in (ROOT / "adapters").iterdir() if path.name[0] not in "_."} - {
    *SHARED,
    "adapters.registry",
}
ROOMS = {f"controller.{path.parent.name}" for path in (ROOT / "controller").glob("*/__init__.py")}
ABOVE = {"controller.cli", "controller.demo"}
"""Rooms that may know which gateways there are."""
STREAMS = {f"xds.{path.stem}" for path in (ROOT / "xds").glob("*.py")} - {
    "xds.__init__",
    "xds.line",
    "xds.server",
    "xds.wire_pb2",
}


def named(contract: str, field: str) -> set[str]:
    return set(RULES[f"importlinter:contract:{contract}"][field].split())


@pytest.mark.parametrize(
    ("contract", "field", "all_of_them"),
    [
        ("gateways-alone", "modules", GATEWAYS),
        ("gateways-below-registry", "source_modules", GATEWAYS),
        ("port-knows-nobody", "source_modules", SHARED),
        ("port-knows-nobody", "forbidden_modules", GATEWAYS | {"adapters.registry"}),
        ("rooms-know-the-port", "source_modules", ROOMS - ABOVE),
        ("rooms-know-the-port", "forbidden_modules", GATEWAYS | {"adapters.registry"}),
        ("streams-without-sockets", "source_modules", STREAMS),
    ],
)
def test_nobody_is_left_out(contract, field, all_of_them):
    assert named(contract, field) == all_of_them, f".importlinter: {contract}: its {field} are not all that there are"


def test_only_the_gateway_of_envoys_may_use_xds():
    sources = named("xds-through-envoy", "source_modules")
    assert sources >= (GATEWAYS | ROOMS | SHARED) - ABOVE - {"adapters.envoy"}
