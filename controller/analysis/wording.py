"""A verdict in words, for the person who has to believe it."""

from controller.analysis.indicators import Counts
from controller.analysis.verdict import Assessment, Finding, Verdict


def why(assessment: Assessment) -> str:
    """What the verdict rests on: the findings that share it, gravest evidence first; empty when all is well."""
    if assessment.verdict is Verdict.HEALTHY:
        return ""
    findings = [finding for finding in assessment.findings if finding.verdict is assessment.verdict]
    findings.sort(key=lambda finding: -finding.evidence_ratio)
    return "; ".join(_one(finding) for finding in findings)


def _one(finding: Finding) -> str:
    return (
        f"{finding.objective}: candidate {_counts(finding.candidate)}, stable {_counts(finding.stable)}, "
        f"{finding.test} evidence {finding.evidence_ratio:.2f} of what a breach needs"
    )


def _counts(counts: Counts) -> str:
    fraction = counts.bad_fraction
    return "no data" if fraction is None else f"{fraction:.1%} of {counts.valid}"
