"""The pages agree with the tree: commands exist, links lead somewhere, decisions are listed, changes are logged."""

from __future__ import annotations

import re

from tests.tidy.prose import code, links, pages
from tests.tidy.tree import ROOT, Finding, files, lines, report, text

ADRS = re.compile(r"docs/adr/(\d{4})-[a-z0-9-]+\.md")
ADR_INDEX = "docs/adr/README.md"
CHANGES = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_every_make_command_exists():
    targets = set(re.findall(r"^([a-z]+):", text("Makefile"), flags=re.MULTILINE))
    report(
        Finding(page, number, f"`make {target}` is not in the Makefile", "Correct the page, or add the target.")
        for page in pages()
        for number, snippet in code(page)
        for target in re.findall(r"(?:^|[;&$] )make ([a-z]+)", snippet)
        if target not in targets
    )


def test_every_link_leads_somewhere():
    report(
        Finding(page, number, f"{target} does not exist", "Correct the link, or write the page.")
        for page in pages()
        for number, target in links(page)
        if not (ROOT / target).exists()
    )


def test_every_page_under_docs_can_be_reached():
    reached = {(ROOT / target).resolve() for page in pages() for _, target in links(page)}
    report(
        Finding(page, 1, "no page links here", "Link it from the README or from a page that is linked.")
        for page in pages()
        if page.startswith("docs/") and (ROOT / page).resolve() not in reached
    )


def test_every_decision_is_in_the_index_and_has_its_shape():
    index = text(ADR_INDEX)
    numbers = []
    for path in files():
        if match := ADRS.fullmatch(path):
            numbers.append(int(match[1]))
            name = path.rpartition("/")[2]
            assert f"]({name})" in index, f"{path}:1: not in {ADR_INDEX}. Add its line."
            headings = re.findall(r"^## (.+)$", text(path), flags=re.MULTILINE)
            assert headings == ["Context", "Decision", "Consequences"], (
                f"{path}:1: its headings are {headings}. A decision is told as Context, Decision, Consequences."
            )
    assert numbers == list(range(1, len(numbers) + 1)), f"{ADR_INDEX}:1: numbers {numbers}. Count from 0001, no gaps."


def test_the_changelog_keeps_its_shape():
    """Keep a Changelog 1.1: a title, then releases, newest first, each with its kinds of change."""
    page = "CHANGELOG.md"
    assert text(page).startswith("# Changelog\n"), f"{page}:1: it starts with `# Changelog`"
    releases = re.findall(r"^## (.+)$", text(page), flags=re.MULTILINE)
    assert releases[:1] == ["[Unreleased]"], f"{page}: the first release is `## [Unreleased]`; move the change there"
    dated = re.compile(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}")
    odd = [release for release in releases[1:] if not dated.fullmatch(release)]
    assert not odd, f"{page}: {odd}. A release is told as `## [1.2.3] - 2026-01-31`."
    report(
        Finding(page, number, f"{kind!r} is no kind of change", f"Use one of {', '.join(sorted(CHANGES))}.")
        for number, line in lines(page)
        if line.startswith("### ") and (kind := line.removeprefix("### ")) not in CHANGES
    )
    version = re.search(r'^version = "(.+)"$', text("pyproject.toml"), flags=re.MULTILINE)
    assert version, "pyproject.toml: no version"
    assert len(releases) == 1 or f"[{version[1]}]" in releases[1], f"{page}: the newest release is not {version[1]}"
