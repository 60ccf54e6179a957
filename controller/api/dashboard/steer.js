
/* Steering one agent. Which commands fit a phase is said here only to spare a refusal: the controller decides. */

const READ_MS = 500;
const ROLLBACK_REST_MS = 1000;
const ARMED_MS = 6000;

const asksStep = agent => {
  const step = agent.rollout && agent.rollout.steps[agent.rollout.step - 1];
  const asked = agent.timers.some(timer => timer.timer === "approval") || Boolean(step && step.approval);
  return asked && ["health-check", "promoting"].includes(agent.phase) && !agent.rollout.approved;
};

/* Whether a rollback takes traffic from a candidate; otherwise it returns to the version before, while that is kept. */
function takesBack(agent) {
  return serves(agent) || SERVING.has(agent.phase);
}

function rollbackText(agent) {
  return agent.previous && !takesBack(agent) ? "Roll back to " + agent.previous.version : "Roll back";
}

/* Each command: whom it takes, when it fits, what a click means. `twice`: skips evidence, so it is asked back. */
const COMMANDS = {
  split: { right: "steer", fits: agent => RESTING.has(agent.phase) && agent.candidate !== null },
  pause: {
    right: "steer", text: "Pause", title: "Hold the rollout where it is; a breach still rolls back",
    fits: agent => ["health-check", "promoting"].includes(agent.phase)
      || (agent.phase === "paused" && agent.rollout.paused_by === "common-cause"),
  },
  resume: { right: "steer", text: "Resume", title: "Let the rollout go on", fits: agent => agent.phase === "paused" },
  skip: {
    right: "steer", text: "Skip step", title: "Leave this step without its hold and its evidence", twice: true,
    fits: agent => agent.phase === "health-check",
  },
  promote: {
    right: "steer", text: "Promote", title: "Skip what remains; while it bakes, the rest of the bake", twice: true,
    fits: agent => ["health-check", "paused", "promoting"].includes(agent.phase)
      || (agent.phase === "idle" && agent.candidate !== null && agent.wanted.candidate_percent === 100),
  },
  approve: { right: "consent", text: "Approve", fits: agent => agent.phase === "awaiting-consent" || asksStep(agent) },
  reject: { right: "consent", text: "Reject", fits: agent => Boolean(agent.rollout && agent.rollout.active && agent.phase !== "rolling-back") },
  rollback: {
    right: "steer", text: "Roll back", title: "Everything back to stable, now",
    fits: agent => takesBack(agent) || agent.previous !== null,
  },
};

/* What is sent: always what was shown to whoever clicked, never what is newest.

   A rollback names nothing that it has seen: it must not be held up because something else has happened. */
function requestOf(verb, seen, facts) {
  const agent = "/v1/agents/" + encodeURIComponent(seen.name);
  const reason = facts.reason;
  switch (verb) {
    case "split":
      return { method: "PUT", path: agent + "/split", body: { candidate_percent: facts.percent, reason }, seen: seen.change };
    case "rollback":
      return { method: "POST", path: agent + "/rollback", body: { reason } };
    case "reject":
      return { method: "POST", path: proposal(seen) + "/reject", body: { digest: seen.rollout.digest, reason } };
    case "approve":
      if (seen.phase === "awaiting-consent") {
        return { method: "POST", path: proposal(seen) + "/approve", body: { digest: seen.rollout.digest, reason } };
      }
      return { method: "POST", path: agent + "/approve", body: { reason }, seen: seen.change };
    default:
      return { method: "POST", path: agent + "/" + verb, body: { reason }, seen: seen.change };
  }
}

function proposal(agent) {
  return "/v1/proposals/" + encodeURIComponent(agent.rollout.id);
}

/* What an operator has read. A change that came less than half a second before a click has not been read; and who has
   begun to write decides on what stood there when they began. */
class Seen {
  constructor(agent) {
    this.newest = this.before = agent;
    this.cameMs = -Infinity;
    this.began = null;
  }

  show(agent) {
    if (agent.change !== this.newest.change) {
      this.before = this.read();
      this.cameMs = performance.now();
    }
    this.newest = agent;
  }

  /* What this operator did themselves, or has just been told, they know. */
  know(agent) {
    this.newest = this.before = agent;
    this.cameMs = -Infinity;
    this.began = null;
  }

  begin() {
    this.began = this.began || this.read();
  }

  end() {
    this.began = null;
  }

  read() {
    return performance.now() - this.cameMs < READ_MS ? this.before : this.newest;
  }

  get decidesOn() {
    return this.began || this.read();
  }

  get isOld() {
    return this.began !== null && this.began.change !== this.newest.change;
  }
}

function percentFrom(text) {
  const written = text.trim().replace(/\s*%$/, "").replace(",", ".");
  return /^\d+(\.\d+)?$|^\.\d+$/.test(written) ? Number(written) : null;
}

/* What a command came to so far. Decided is not applied: who has not confirmed yet is named. */
function takenText(agent) {
  const waiting = agent.gateways.filter(gateway => !gateway.up_to_date).map(gateway => gateway.gateway);
  const came = waiting.length ? "waiting for " + waiting.join(", ") + " to confirm" : "every gateway has confirmed";
  return "Decided: " + agent.changed_by + " — " + came + ".";
}
