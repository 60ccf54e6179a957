"""What a candidate is judged by, and when it may be tried at all."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from controller.settings.address import Name, Url
from controller.settings.problem import RefusedError
from controller.settings.quantity import duration, ratio
from controller.settings.shape import Shape

ERROR = "error"
OUTCOMES = ("task_failed", "unsafe", "over_budget")
"""The outcomes that agents report by these names; any other ORCA metric name may be used as well."""

TEMPLATES = ("agent", "track", "version", "window")
"""What a PromQL query may name between double braces."""

_TEMPLATE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_METRIC = re.compile(r"[a-z][a-z0-9_]{0,63}")
_QUERY_CHARS_MAX = 4_096


def _check_metric(text: str) -> str:
    if not _METRIC.fullmatch(text):
        remedy = "Use error, task_failed, unsafe, over_budget, the name of an ORCA metric, or {latencyOver: 2s}."
        raise RefusedError(text, "is not an indicator", remedy)
    return text


def _check_query(text: str) -> str:
    if not (text.strip() and len(text) <= _QUERY_CHARS_MAX):
        raise RefusedError(None, "is not a query", f"Write PromQL of 1 to {_QUERY_CHARS_MAX:,} characters.")
    names = _TEMPLATE.findall(text)
    for name in names:
        if name not in TEMPLATES:
            known = ", ".join(f"{{{{{each}}}}}" for each in TEMPLATES)
            raise RefusedError("{{" + name + "}}", "stands for nothing", f"There are {known}.")
    if not {"version", "track"} & set(names):
        remedy = "Name {{version}} or {{track}} in it."
        raise RefusedError(None, "asks the same for stable and candidate", remedy)
    return text


class PrometheusSpec(Shape):
    """Events that a Prometheus counts. What stands in double braces is put into its queries, e.g. `{{version}}`."""

    url: Url
    """Where the Prometheus is, without `/api/v1`. Without credentials, because URLs end up in logs."""
    bad: Annotated[str, AfterValidator(_check_query)]
    """PromQL for the bad events: counters, one series per process, not summed
    (`task_failed_total{version="{{version}}"}`); or with `window` the events of that window. Nothing and NaN are no
    data: where a series begins with the first bad event, add `or vector(0)`."""
    total: Annotated[str, AfterValidator(_check_query)]
    """PromQL for all events, good and bad, in the same manner."""
    every_s: Annotated[float, duration("1s", "5m")] = 15.0
    """How often it is asked. More often than Prometheus scrapes is of no use. A `window` is its own pace."""
    window_s: Annotated[float, duration("5s", "30m")] | None = None
    """What `{{window}}` stands for, where the queries return the events of a window, as `increase` does:
    `sum(increase(task_failed_total{version="{{version}}"}[{{window}}]))`. At least four times what Prometheus scrapes
    at. None where they return counters, which decides sooner and counts exactly."""

    @model_validator(mode="after")
    def _window_where_it_is_named(self) -> PrometheusSpec:
        for name in ("bad", "total"):
            named = "window" in _TEMPLATE.findall(getattr(self, name))
            if named and self.window_s is None:
                raise RefusedError(None, "names {{window}}, and there is none", "Add window: 1m.", at=(name,))
            if self.window_s is not None and not named:
                remedy = "Write increase(…[{{window}}]), or remove the window."
                raise RefusedError(None, "does not name {{window}}", remedy, at=(name,))
        return self

    @property
    def pace_s(self) -> float:
        """How long to wait between two looks: windows come one after the other."""
        return self.window_s or self.every_s


class IndicatorSpec(Shape):
    """What counts as a bad event: in YAML the metric's name alone, or ``{latencyOver: 2s}``, or ``{prometheus: …}``."""

    metric: Annotated[str, AfterValidator(_check_metric)] | None = None
    """`error` (counted by the gateway), or the name under which agents report an outcome, 0 or 1, by ORCA or by
    `POST /v1/outcomes`: `task_failed`, `unsafe`, `over_budget`, or any other. `indicator: error` is short for
    `indicator: {metric: error}`."""
    latency_over_s: Annotated[float, duration("1ms", "1h")] | None = None
    """An answer that takes longer than this to begin is bad: counted from the whole request to the answer's headers,
    because agents stream. Every gateway of the agent must report latency per version (its page under docs/gateways
    says whether it does): an objective without data would never let a rollout pass."""

    prometheus: PrometheusSpec | None = None
    """What a Prometheus counts of each version (docs/metrics-sources.md)."""

    @model_validator(mode="before")
    @classmethod
    def _name_alone(cls, value: Any) -> Any:  # noqa: ANN401 - raw YAML
        return {"metric": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_of_all(self) -> IndicatorSpec:
        if [self.metric, self.latency_over_s, self.prometheus].count(None) != 2:
            remedy = "Write the name of a metric, {latencyOver: 2s}, or {prometheus: {url, bad, total}}."
            raise RefusedError(None, "needs one of metric, latencyOver and prometheus, and only one", remedy)
        return self


class ObjectiveSpec(Shape):
    """The largest bad fraction that is allowed: in itself (`max`), compared with stable (`margin`), or both."""

    name: Name
    """What the objective is called in verdicts and metrics; unique in its agent."""
    indicator: IndicatorSpec
    """What counts as a bad event."""
    max_ratio: Annotated[float, ratio("0.0001%", "99%")] | None = None
    """The candidate's largest bad fraction. None judges it only by comparison. 0 % cannot be shown with any number of
    requests: set it a little above what you could bear."""
    margin_ratio: Annotated[float, ratio("0%", "99%")] | None = None
    """By how much the candidate's bad fraction may be above stable's at the same time, in points of percent. None does
    not compare, and neither is compared at 100 %, where stable gets nothing. Above 0 %, so that a difference nobody
    would notice does not roll back."""
    guardrail: bool = False
    """Whether promotion needs this objective *shown* to hold, and whether it gets a larger share of alpha: for
    safety."""

    @model_validator(mode="after")
    def _judges_something(self) -> ObjectiveSpec:
        if self.max_ratio is None and self.margin_ratio is None:
            raise RefusedError(None, "has neither max nor margin", "Add one of them, such as max: 5%.")
        return self


class AnalysisSpec(Shape):
    """How sure a decision must be, and what happens without one."""

    alpha: Annotated[float, ratio("0.0001%", "20%")] = 0.01
    """The largest chance that a good candidate is ever rolled back by mistake, over all its objectives together. More
    than 20 % would be a coin."""
    no_data_deadline_s: Annotated[float, duration("1s", "7d")] = 120.0
    """How long a step may be without data before the rollout goes back. Absent is not healthy."""
    undecided: Literal["hold", "ask", "advance"] = "hold"
    """What a step does when its hold is over and the evidence decides neither way: wait for more, ask a person, or go
    on."""


class GateSpec(Shape):
    """What a proposal must bring before anything of it is served."""

    min_verification_score: Annotated[float, Field(ge=0, le=1)] = 0.0
    """The least score that the pipeline's own verification must have given, from 0 to 1. 0 asks for none."""
    consent: Literal["required", "none"] = "required"
    """Whether a person must approve a proposal before it is served. Required by default: an agent that changes itself
    is not to put itself in service."""
    consent_timeout_s: Annotated[float, duration("1s", "30d")] = 3600.0
    """A person who does not answer within this means no. The proposal expires."""
    min_interval_s: Annotated[float, duration("0s", "365d")] = 0.0
    """The least time between two rollouts of this agent. 0s sets none."""


class DrainSpec(Shape):
    """How a track that has lost its traffic is emptied."""

    deadline_s: Annotated[float, duration("0s", "7d")] = 600.0
    """How long requests in flight may go on. What is still open then is cut, where the gateway can, and reported."""
