
/* What an operator is told beside the buttons: what a consent is about, and why there is less to do than there could be. */

/* Why there is less to do than there could be. */
function hintFor(agent) {
  if (!may("steer") && !may("consent")) {
    const reads = "You look, and do not steer: ";
    return reads + (me.token || me.caller.role === "viewer" ? "that takes the role operator." : "give your token above for that.");
  }
  if (!may("steer")) return "You consent, and do not steer: that takes the role operator.";
  if (!RESTING.has(agent.phase)) return "A rollout is under way: its steps set the share.";
  if (!agent.candidate) return "There is no candidate: propose one, or declare one with turnout candidate.";
  return "";
}

/* All that a consent is about. */
function askedOf(agent, proposal) {
  const rollout = agent.rollout;
  const consents = agent.phase === "awaiting-consent";
  const candidate = proposal && proposal.candidate;
  const facts = [
    ["version", rollout.version],
    ["endpoints", candidate ? candidate.endpoints.join(", ") : ""],
    ["build", candidate ? candidate.digest : ""],
    ["score", rollout.verification_score === null ? "" : percent(100 * rollout.verification_score)],
    ["summary", proposal ? proposal.summary : ""],
    ["steps", stopsOf(rollout).map(stop => stop.share + (stop.asks ? " (asks)" : "")).join(" → ")],
    ["proposed by", proposal ? proposal.submitted_by : ""],
    ["digest", rollout.digest],
    ["not read", proposal ? proposal.trouble : ""],
  ];
  const list = make("dl", { kind: "facts" });
  for (const [name, text] of facts) if (text) list.append(make("dt", { text: name }), make("dd", { text }));
  return [make("h3", { text: askedTitle(agent, consents) }), list];
}

function askedTitle(agent, consents) {
  if (consents) return "May " + agent.rollout.version + " come in?";
  return asksStep(agent) ? "May " + agent.rollout.version + " leave this step?" : agent.rollout.version + " is under way";
}
