import yaml

from adapters.envoy.gateway import EnvoyOptions
from adapters.port import ALL_STABLE, HeaderMatch, Route, Split, Stickiness, Version, latency_over
from adapters.traefik.client import Credential
from adapters.traefik.gateway import TraefikOptions
from adapters.traefik.translation import HealthCheck
from controller.evolution.gates import Gate
from controller.rollout.plan import OnDrift, Step, WhenUndecided
from controller.roster import SILENCE_MAX_S, roster_of
from controller.settings.loading import loads

API = "turnout.dev/v1alpha1"
STABLE = {"version": "1.0", "endpoints": ["127.0.0.1:3000"]}


def roster(spec: dict, gateway: dict | None = None):
    gateway = gateway or {"type": "envoy", "envoy": {"listen": "127.0.0.1:10000"}}
    documents = [
        {"apiVersion": API, "kind": "Gateway", "metadata": {"name": "edge"}, "spec": gateway},
        {
            "apiVersion": API,
            "kind": "Agent",
            "metadata": {"name": "bot"},
            "spec": {"gateways": ["edge"], "stable": STABLE, **spec},
        },
    ]
    return roster_of(loads(yaml.safe_dump_all(documents)))


def profile(**spec):
    return roster(spec).agents["bot"]


def test_a_gateway_brings_its_own_options():
    envoy = {"listen": "[::1]:10000", "loadReportInterval": "250ms", "apiListener": "agents"}
    made = roster({}, {"type": "envoy", "envoy": envoy}).gateways["edge"]
    assert (made.name, made.kind) == ("edge", "envoy")
    assert made.options == EnvoyOptions("[::1]:10000", 0.25, "agents")
    nop = roster({}, {"type": "nop"}).gateways["edge"]
    assert (nop.kind, nop.options) == ("nop", None)


def test_equal_settings_make_equal_rosters():
    """The fleet replaces what is not equal: a rewritten file with the same content must disturb nobody."""
    objectives = [{"name": "errors", "indicator": "error", "max": "5%"}]
    assert roster({"objectives": objectives}) == roster({"objectives": objectives})


def test_an_agent_is_carried_over_whole():
    made = profile(
        route={"hosts": ["a.test"], "pathPrefix": "/v1", "headers": [{"name": "X-Plan", "value": "vip"}]},
        candidate={"version": "1.1", "endpoints": ["127.0.0.1:3001"], "http2": True},
        strategy={"stickiness": {"header": "X-Session"}, "retries": 2, "requestTimeout": "5s"},
        objectives=[
            {"name": "tasks", "indicator": "task_failed", "max": "20%"},
            {"name": "errors", "indicator": "error", "max": "5%"},
            {"name": "slow", "indicator": {"latencyOver": "2s"}, "max": "5%"},
        ],
        gate={"minVerificationScore": 0.9, "minInterval": "1d"},
        drain={"deadline": "30s"},
        deadMan="30s",
    )
    assert made.route == Route(("a.test",), "/v1", (HeaderMatch("x-plan", "vip"),))
    assert made.stable == Version("1.0", ("127.0.0.1:3000",))
    assert made.candidate == Version("1.1", ("127.0.0.1:3001",), http2=True)
    assert made.stickiness == Stickiness(header="x-session")
    assert (made.retries, made.request_timeout_s, made.dead_man_s, made.drain_deadline_s) == (2, 5.0, 30.0, 30.0)
    assert made.indicators == ("task_failed",), "only outcomes are asked of agents"
    assert made.latency_limits_s == (2.0,)
    assert made.gate == Gate(0.9, 86_400.0)
    assert [objective.indicator for objective in made.judge.objectives] == ["task_failed", "error", latency_over(2.0)]


def test_a_canary_has_its_steps_and_the_default_ones_without():
    steps = [{"weight": 0.5, "hold": "1m"}, {"weight": 50, "hold": "2m", "approval": "required"}]
    made = profile(strategy={"steps": steps, "bake": "3m", "keep": "4m"}).plan
    assert made.steps == (Step(Split(50), 60.0), Step(Split(5_000), 120.0, approval=True))
    assert (made.bake_s, made.keep_s) == (180.0, 240.0)
    assert [step.split.candidate_bp for step in profile().plan.steps] == [1_000, 2_500, 5_000]


def test_a_mirror_copies_and_a_blue_green_switches():
    mirrored = profile(strategy={"type": "mirror", "steps": [{"weight": 25, "hold": "1m"}]}).plan
    assert mirrored.steps == (Step(Split(mirror_bp=2_500), 60.0),)
    assert profile(strategy={"type": "blue-green"}).plan.steps == (Step(Split(10_000), 0.0),)


def test_without_objectives_nobody_judges_and_steps_go_by_time():
    made = profile()
    assert made.judge is None
    assert made.plan.watched is False
    assert profile(objectives=[{"name": "errors", "indicator": "error", "max": "5%"}]).plan.watched is True


def test_silence_and_the_rest_of_the_deadline_are_the_whole_deadline():
    errors = [{"name": "errors", "indicator": "error", "max": "5%"}]
    for written, whole_s in (("2m", 120.0), ("4s", 4.0)):
        made = profile(objectives=errors, analysis={"noDataDeadline": written, "undecided": "ask"})
        assert made.judge.no_data_deadline_s <= SILENCE_MAX_S
        assert made.judge.no_data_deadline_s + made.plan.no_data_deadline_s == whole_s, (
            "the operator's deadline is another"
        )
        assert made.plan.undecided is WhenUndecided.ASK


def test_consent_is_asked_for_unless_the_operator_waives_it():
    assert profile().plan.consent is True
    assert profile(gate={"consent": "none"}).plan.consent is False


def test_an_assignment_starts_with_everything_at_stable():
    from controller.rollout.state import new_state

    made = profile(candidate={"version": "1.1", "endpoints": ["127.0.0.1:3001"]})
    assignment = made.assignment(new_state("bot", made.stable, frozenset(made.gateways)))
    assert (assignment.agent, assignment.split, assignment.stable) == ("bot", ALL_STABLE, made.stable)


def test_a_prometheus_is_asked_for_what_an_objective_names():
    asked = {"url": "http://127.0.0.1:9090", "bad": 'b{v="{{version}}"}', "total": 't{v="{{version}}"}'}
    made = profile(objectives=[{"name": "tasks", "indicator": {"prometheus": asked}, "max": "5%"}])
    (query,) = made.queries
    assert (query.url, query.bad, query.total, query.every_s) == (*asked.values(), 15.0)
    assert made.judge.objectives[0].indicator == query.indicator, "what is counted would never be judged"
    assert made.judge.no_data_deadline_s > 2 * query.every_s, "each pause between two looks would be missing data"
    assert made.indicators == (), "gateways would be asked for what a Prometheus counts"


def test_a_traefik_brings_how_it_is_reached():
    spec = {
        "api": "http://127.0.0.1:8080",
        "directory": "dynamic",
        "throttle": "100ms",
        "entryPoints": ["web"],
        "healthCheck": {"path": "/healthz"},
        "authorizationEnv": "TRAEFIK_AUTHORIZATION",
    }
    made = roster({}, {"type": "traefik", "traefik": spec}).gateways["edge"]
    assert made.options == TraefikOptions(
        "http://127.0.0.1:8080",
        directory="dynamic",
        throttle_s=0.1,
        entry_points=("web",),
        health_check=HealthCheck("/healthz"),
        credential=Credential(env="TRAEFIK_AUTHORIZATION"),
    )


def test_what_is_done_about_a_hand_at_a_gateway_is_the_agents_to_say():
    assert profile().on_drift is OnDrift.ASK
    assert profile(onDrift="take-over").on_drift is OnDrift.TAKE_OVER
