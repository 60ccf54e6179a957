
/* What an agent is: its versions, how far its rollout is, what the evidence says. Only shows. */

const RESTING = new Set(["idle", "promoted", "rolled-back", "rejected", "expired", "superseded"]);
const SERVING = new Set(["deploying", "health-check", "paused", "promoting"]);

/* What the phase's own word does not say. */
const PHASES = {
  "idle": "No rollout is under way.",
  "pending": "The gates check the proposal.",
  "awaiting-consent": "A person is asked whether this candidate may come in.",
  "deploying": "Every gateway learns the candidate, at 0 %.",
  "health-check": "Step by step: applied, confirmed, held and watched.",
  "paused": "Held. It is still watched, and a breach still rolls back.",
  "promoting": "The candidate has everything, and is watched before it becomes stable.",
  "promoted": "The candidate is stable now.",
  "rolling-back": "Everything is on its way back to stable.",
  "rolled-back": "Everything is stable again.",
  "rejected": "It was never served.",
  "expired": "It was never served.",
  "superseded": "It was never served.",
};

const WAITS = {
  "consent": "expires without consent in",
  "progress": "goes back without progress in",
  "hold": "held for another",
  "approval": "goes back without an approval in",
  "no-data": "goes back without data in",
  "keep": "the version before is kept for",
};

function serves(agent) {
  return agent.wanted.candidate_percent > 0 || agent.wanted.mirror_percent > 0;
}

function phaseText(agent) {
  const rollout = agent.rollout;
  const why = rollout && agent.phase !== "idle" && rollout.reason ? " " + sentence(rollout.reason) : "";
  const unreached = agent.unreached ? " Not reached: " + sentence(agent.unreached) : "";
  return PHASES[agent.phase] + why + unreached;
}

function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

function versionsOf(agent) {
  const shown = [make("span", { kind: "version stable", title: agent.stable.endpoints.join(", ") },
    make("small", { text: "stable" }), make("b", { text: agent.stable.version }))];
  if (agent.candidate) {
    shown.push(make("span", { kind: "version candidate", title: agent.candidate.endpoints.join(", ") },
      make("small", { text: "candidate" }), make("b", { text: agent.candidate.version })));
  }
  if (agent.previous) {
    shown.push(make("span", { kind: "version", title: "Ready for an instant return" },
      make("small", { text: "before, kept" }), make("b", { text: agent.previous.version })));
  }
  return shown;
}

/* --- steps --- */

function stopsOf(rollout) {
  const stops = rollout.steps.map(step => ({
    share: step.candidate_percent ? percent(step.candidate_percent) : "mirror " + percent(step.mirror_percent),
    holds: step.hold_s, asks: step.approval, number: step.number,
  }));
  return [...stops, { share: percent(100), holds: rollout.bake_s, asks: false, number: stops.length + 1 }];
}

function presentStop(agent) {
  const { rollout, phase } = agent;
  if (phase === "promoted") return rollout.steps.length + 2;
  if (rollout.step) return rollout.step;
  return phase === "promoting" || phase === "paused" ? rollout.steps.length + 1 : 0;
}

function stepsOf(agent) {
  const rollout = agent.rollout;
  if (!rollout || !(rollout.active || agent.phase === "promoted")) return null;
  const present = presentStop(agent);
  const items = stopsOf(rollout).map(stop => {
    const state = stop.number < present ? "past" : stop.number === present ? "present" : "coming";
    const last = stop.number === rollout.steps.length + 1;
    return make("li", { kind: "stop " + state, "aria-current": state === "present" ? "step" : null },
      make("b", { text: stop.share }),
      make("small", { text: (last ? "bake " : "hold ") + lasting(stop.holds) }),
      stop.asks ? make("small", { kind: "asks", text: "asks a person" }) : null);
  });
  return make("ol", { kind: "plain steps", "aria-label": "Steps of the rollout" }, ...items);
}

function progressText(agent) {
  const rollout = agent.rollout;
  if (!rollout || !rollout.active) return null;
  const parts = [];
  if (rollout.step) parts.push("Step " + rollout.step + " of " + rollout.steps.length);
  else if (agent.phase === "promoting") parts.push("Bake");
  if (rollout.held) parts.push("hold is over");
  if (rollout.approved) parts.push("approved");
  if (rollout.paused_by) parts.push("paused by " + rollout.paused_by);
  return parts.length ? make("span", { text: parts.join(" · ") }) : null;
}

function waitsOf(agent, readAtMs) {
  const shown = agent.timers.map(timer =>
    make("span", {}, (WAITS[timer.timer] || timer.timer) + " ", countdown(timer.seconds_left, readAtMs)));
  for (const drain of agent.drains) {
    shown.push(make("span", {}, drain.version + " drains for at most ", countdown(drain.seconds_left, readAtMs)));
  }
  const progress = progressText(agent);
  return make("p", { kind: "waits" }, ...(progress ? [progress, ...shown] : shown));
}

/* --- evidence --- */

function tally(told, who) {
  const share = told.bad_fraction === null ? "" : " (" + percent(100 * told.bad_fraction) + ")";
  return who + ": " + told.bad.toLocaleString("en") + " bad of " + told.valid.toLocaleString("en") + share;
}

/* The logarithm of the e-value over that of its threshold: at the end of the bar the candidate goes back. */
function evidenceBar(finding) {
  const ratio = Math.min(1, Math.max(0, finding.evidence_ratio));
  const bar = make("div", {
    kind: "evidence-bar", role: "meter", "aria-valuemin": "0", "aria-valuemax": "1", "aria-valuenow": ratio.toFixed(2),
    "aria-label": finding.objective + ", evidence against the candidate",
    "aria-valuetext": percent(100 * ratio) + " of what a breach needs",
  });
  const filled = make("div", { kind: "filled" });
  filled.style.width = 100 * ratio + "%";
  bar.append(filled);
  return bar;
}

function finding(told) {
  const facts = [tally(told.candidate, "candidate"), tally(told.stable, "stable")];
  if (told.non_inferior) facts.push("shown to be good enough");
  return make("li", { kind: "finding is-" + told.verdict },
    make("div", { kind: "finding-head" },
      make("b", { text: told.objective }), told.guardrail ? make("small", { text: "guardrail" }) : null,
      pill(told.verdict, "e-value " + told.e_value.toPrecision(3) + ", " + told.test + " test"),
      make("span", { kind: "number", text: percent(100 * Math.max(0, told.evidence_ratio)) + " of a breach" })),
    evidenceBar(told),
    make("small", { text: facts.join(" · ") }));
}

function findingsOf(agent) {
  const trouble = agent.sources.filter(source => source.trouble)
    .map(source => make("p", { kind: "amiss", text: source.source + ": " + source.trouble }));
  if (!agent.findings.length) return [make("p", { kind: "nothing", text: "Nothing has been judged yet." }), ...trouble];
  return [make("ul", { kind: "plain findings" }, ...agent.findings.map(finding)), ...trouble];
}
