"""What people see of agents and gateways: tables, and the picture that `turnout watch` redraws. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from controller.cli.console import UNKNOWN, fraction, lasting, percent, plain, styled, table
from controller.cli.picture import Agent, Build, Finding, Gateway, Gateways, Link, News, Stop

BAR_COLUMNS = 20

VERDICT_STYLES = {
    "healthy": "green",
    "breach": "bold red",
    "undecided": "",
    "no-data": "yellow",
    "common-cause": "yellow",
}
PHASE_STYLES = {
    "promoted": "green",
    "rolling-back": "bold red",
    "rolled-back": "red",
    "rejected": "red",
    "paused": "yellow",
    "awaiting-consent": "yellow",
}


def agent_table(agents: Iterable[Agent]) -> RenderableType:
    """One line per agent."""
    shown = table("agent", "stable", "candidate", "phase", "wanted → confirmed", "verdict", "in flight")
    for agent in agents:
        shown.add_row(
            styled(agent.name, "bold"),
            styled(agent.stable.version),
            styled(agent.candidate.version if agent.candidate else "none"),
            styled(_phase(agent), PHASE_STYLES.get(agent.phase, "")),
            styled(_split(agent)),
            styled(agent.verdict, VERDICT_STYLES.get(agent.verdict, "")) if agent.candidate else Text(""),
            styled(_in_flight(agent)),
        )
    return shown if shown.row_count else styled("No agents.")


def gateway_lines(told: Gateways) -> RenderableType:
    """One line per gateway and agent, and one per Envoy that belongs to none."""
    lines: list[RenderableType] = [_gateway_table(told.gateways)]
    if told.strangers:
        names = ", ".join(gateway.name for gateway in told.gateways if gateway.kind == "envoy") or "a gateway's name"
        lines.append(Text(""))
        lines += [
            styled(
                f"held: Envoy {each.node!r} says node.cluster {each.cluster!r}, which is no gateway of Envoys", "yellow"
            )
            for each in told.strangers
        ]
        lines.append(styled(f"Set node.cluster in its bootstrap to {names}; or declare that gateway."))
    return Group(*lines)


def _gateway_table(gateways: Iterable[Gateway]) -> RenderableType:
    shown = table("gateway", "type", "reachable", "agent", "confirmed", "up to date", "detail")
    for gateway in gateways:
        reachable = styled("yes", "green") if gateway.reachable else styled("no", "bold red")
        words = (gateway.detail, ", ".join(gateway.nodes), gateway.last_error)
        head = [styled(gateway.name, "bold"), styled(gateway.kind), reachable]
        rows = [
            (held.agent, held.confirmed or "nothing yet", "yes" if held.up_to_date else "no", held.remark)
            for held in gateway.agents
        ] or [("", "", "", "")]
        for index, (*row, remark) in enumerate(rows):
            detail = "; ".join(filter(None, (*(words if not index else ()), remark)))
            shown.add_row(*(head if not index else [Text("")] * 3), *map(styled, (*row, detail)))
    return shown if shown.row_count else styled("No gateways.")


def agent_lines(agent: Agent) -> RenderableType:
    """All about one agent: tracks, gateways, objectives, what is waited for."""
    head = Text.assemble(
        (plain(agent.name), "bold"), "  ", (plain(_phase(agent)), PHASE_STYLES.get(agent.phase, "bold"))
    )
    head.append(
        f"  change {agent.change}: {plain(agent.changed_by)}" if agent.changed_by else f"  change {agent.change}"
    )
    parts: list[RenderableType] = [head, _tracks(agent), Text(""), _links(agent)]
    if agent.candidate and agent.findings:
        parts += [Text(""), styled(f"verdict: {agent.verdict}", VERDICT_STYLES.get(agent.verdict, ""))]
        parts.append(_findings(agent.findings))
    if waits := _waits(agent):
        parts += [Text(""), styled(waits)]
    return Group(*parts)


def screen(agents: Sequence[Agent], news: Sequence[News], *, notice: str = "") -> RenderableType:
    """The live view: a notice if there is one, every agent, the last decisions, newest last."""
    parts: list[RenderableType] = [styled(notice, "bold yellow"), Text("")] if notice else []
    for agent in agents:
        parts += [agent_lines(agent), Text("")]
    if not agents and not notice:
        parts += [styled("No agents."), Text("")]
    if news:
        parts.append(styled("last decisions", "bold"))
        parts += [styled(news_line(each)) for each in news]
    return Group(*parts)


def news_line(news: News) -> str:
    """``12:04:07 code-assistant step: step 2 of 3: 10 % candidate``."""
    time = news.at[11:19] if len(news.at) >= 19 else UNKNOWN
    return plain(f"{time} {news.agent or 'controller'} {news.what}: {news.text}")


def change_line(agent: Agent) -> str:
    """An agent on one line, for whoever has no terminal."""
    candidate = agent.candidate.version if agent.candidate else "none"
    verdict = f" {agent.verdict}" if agent.candidate else ""
    return plain(f"{agent.name} {_phase(agent)}: candidate {candidate} {_split(agent)}{verdict}")


def _phase(agent: Agent) -> str:
    """The phase, and the step of how many."""
    if agent.rollout is None or agent.rollout.step is None or not agent.rollout.active:
        return agent.phase
    return f"{agent.phase} {agent.rollout.step}/{len(agent.rollout.steps)}"


def _split(agent: Agent) -> str:
    """What is wanted, and what the gateway that is furthest behind has confirmed."""
    confirmed = [link.confirmed for link in agent.gateways]
    if agent.confirmed_everywhere:
        return f"{agent.wanted} → {agent.wanted}"
    shares = sorted({str(share) if share else "nothing yet" for share in confirmed})
    ready = sum(link.up_to_date for link in agent.gateways)
    return f"{agent.wanted} → {' / '.join(shares) or 'no gateway'} ({ready} of {len(agent.gateways)} gateways)"


def _in_flight(agent: Agent) -> str:
    """Requests now open: stable, then candidate."""
    counts = [agent.in_flight(build) for build in (agent.stable, agent.candidate) if build]
    return " + ".join(UNKNOWN if count is None else str(count) for count in counts)


def _tracks(agent: Agent) -> RenderableType:
    shown = table("track", "version", "wanted", "in flight", "endpoints")
    rows: list[tuple[str, Build | None, str]] = [
        ("stable", agent.stable, f"{100 - agent.wanted.candidate_percent:g} %"),
        ("candidate", agent.candidate, str(agent.wanted)),
    ]
    for track, build, wanted in rows:
        if build is None:
            continue
        count = agent.in_flight(build)
        endpoints = ", ".join(build.endpoints[:3]) + (
            f" and {len(build.endpoints) - 3} more" if build.endpoints[3:] else ""
        )
        open_now = UNKNOWN if count is None else str(count)
        shown.add_row(track, styled(build.version), styled(wanted), open_now, styled(endpoints))
    return shown


def _links(agent: Agent) -> RenderableType:
    shown = table("gateway", "confirmed", "up to date", "observed", "detail")
    for link in agent.gateways:
        shown.add_row(
            styled(link.gateway),
            styled(link.confirmed or "nothing yet"),
            styled("yes", "green") if link.up_to_date else styled("no", "bold yellow"),
            styled(_observed(link)),
            styled(link.remark or _error(link)),
        )
    return shown


def _error(link: Link) -> str:
    """What a gateway said instead of confirming."""
    receipt = link.receipt
    return f"{receipt.outcome}: {receipt.detail}" if receipt and receipt.detail and not link.up_to_date else ""


def _observed(link: Link) -> str:
    seen = link.observed
    if seen is None or seen.candidate_percent is None:
        return UNKNOWN
    return f"{percent(seen.candidate_percent)} of {seen.requests}"


def _findings(findings: Iterable[Finding]) -> RenderableType:
    shown = table("objective", "evidence of a breach", "", "verdict", "candidate", "stable")
    for finding in findings:
        style = VERDICT_STYLES.get(finding.verdict, "")
        shown.add_row(
            styled(finding.objective + (" (guardrail)" if finding.guardrail else "")),
            styled(bar(finding.evidence_ratio), style),
            f"{min(finding.evidence_ratio, 9.99):.2f}",
            styled(finding.verdict, style),
            f"{fraction(finding.candidate.bad_fraction)} of {finding.candidate.valid}",
            f"{fraction(finding.stable.bad_fraction)} of {finding.stable.valid}",
        )
    return shown


def bar(ratio: float, columns: int = BAR_COLUMNS) -> str:
    """A bar that is full at 1: what a breach needs."""
    filled = min(max(int(ratio * columns), 0), columns)
    return "█" * filled + "░" * (columns - filled)


def _waits(agent: Agent) -> str:
    """What is waited for, and how much longer."""
    told = [f"{timer.timer}: {lasting(timer.seconds_left)} left" for timer in agent.timers]
    told += [f"draining {drain.version}: {lasting(drain.seconds_left)} left" for drain in agent.drains]
    if agent.rollout and agent.rollout.active:
        told += [f"next: {_next(agent.rollout.step, agent.rollout.steps)}"] if agent.rollout.step else []
        told += [agent.rollout.reason] if agent.rollout.reason else []
    return "; ".join(told)


def _next(step: int, steps: Sequence[Stop]) -> str:
    if step >= len(steps):
        return "100 %, then promotion"
    stop = steps[step]
    return f"{stop.candidate_percent or stop.mirror_percent:g} % for {lasting(stop.hold_s)}"
