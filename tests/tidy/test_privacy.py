"""Nothing in the tree tells where it was written: no path of one machine, no registry's address, no key."""

from __future__ import annotations

import re

import pytest

from tests.tidy.tree import Finding, files, lines, report

# Written so that this file does not match itself.
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:root|work|home/\w+|Users/\w+)/")
REGISTRY = re.compile(
    r"\b(?:pyp[i]\.[a-z]+|python[h]osted\.[a-z]+|docke[r]\.io|(?:gh[c]r|qua[y]|g[c]r)\.io|registry\.[\w-]+\.[a-z]+"
    r"|proxy\.gola[n]g\.[a-z]+|crate[s]\.io)\b|--(?:extra-)?index-url[ =]|https?://[^\s/]+/(?:simple|pypi)/",
)
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")

RULES = {
    "machine-path": (MACHINE_PATH, "a path of one machine", "Make it relative to the root, or a setting."),
    "registry": (
        REGISTRY,
        "a registry's address",
        "Name the package or image; where it comes from is each machine's own.",
    ),
    "private-key": (PRIVATE_KEY, "a private key", "Make one when the test runs; and revoke this one."),
}


@pytest.mark.parametrize("name", RULES)
def test_the_tree_does_not_tell(name):
    pattern, rule, remedy = RULES[name]
    report(
        Finding(path, number, f"{rule}: {found[0]!r}", remedy)
        for path in files()
        for number, line in lines(path)
        if (found := pattern.search(line))
    )


@pytest.mark.parametrize(
    ("name", "guilty", "innocent"),
    [
        ("machine-path", "cd /" + "root/x", "agents.example.com/" + "root/x"),
        ("machine-path", "open('/" + "home/ann/x')", "/var/lib/turnout/"),
        ("registry", "image: ghcr" + ".io/x", "image: turnout:0.1.0"),
        ("registry", "pip install --index" + "-url x", "pip install turnout"),
        ("registry", "http://mirror:3141/" + "simple/", "http://127.0.0.1:8900/v1/agents"),
        ("private-key", "-----BEGIN RSA " + "PRIVATE KEY-----", "-----BEGIN CERTIFICATE-----"),
    ],
)
def test_a_pattern_tells_guilty_from_innocent(name, guilty, innocent):
    pattern = RULES[name][0]
    assert pattern.search(guilty), f"{name} lets this pass: {guilty}"
    assert not pattern.search(innocent), f"{name} blames this: {innocent}"
