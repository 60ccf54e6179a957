
/* One agent's card: made once, so that a button stays where it is and keeps the focus; only its facts are redrawn. */
class Card {
  constructor(agent, onTold) {
    this.seen = new Seen(agent);
    this.onTold = onTold;
    this.name = agent.name;
    this.answeredMs = -Infinity;
    this.pending = new Set();
    this.outcomes = {};
    this.taken = null;
    this.proposal = null;
    this.reading = false;
    this.parts = {};
    this.buttons = {};
    this.node = this.build();
    this.show(agent, performance.now());
  }

  part(name, tag, facts = {}) {
    return (this.parts[name] = make(tag, facts));
  }

  build() {
    const id = "agent-" + this.name;
    const head = make("div", { kind: "card-head" },
      make("div", { kind: "card-name" }, make("h2", { id, text: this.name }), this.part("phase", "span")),
      this.button("rollback", "rollback"));
    const looks = make("div", { kind: "looks" },
      this.part("tracks", "div"), this.part("steps", "div"), this.part("waits", "div"));
    const evidence = make("div", { kind: "evidence" },
      make("h3", { text: "Evidence against the candidate" }), this.part("findings", "div"));
    return make("article", { kind: "card", "aria-labelledby": id },
      head, this.outcomeOf("rollback"), this.part("about", "p", { kind: "about" }), this.part("versions", "p", { kind: "versions" }),
      make("div", { kind: "two" }, looks, evidence), this.consent(), this.outcomeOf("consent"), this.controls());
  }

  button(verb, kind = "") {
    const { text, title } = COMMANDS[verb];
    const made = make("button", { type: "button", kind: (kind + " do-" + verb).trim(), text, title });
    /* A key that is held down, and the second click of two, mean nothing more than the first. */
    made.addEventListener("keydown", event => { if (event.repeat) event.preventDefault(); });
    made.addEventListener("click", event => { if (event.detail < 2) this.clicked(verb); });
    return (this.buttons[verb] = made);
  }

  consent() {
    const buttons = make("div", { kind: "buttons" }, this.button("approve", "forward"), this.button("reject"));
    const section = make("section", { kind: "consent", "aria-label": "A person is asked", hidden: true },
      this.part("asked", "div"), buttons);
    return (this.parts.consent = section);
  }

  controls() {
    const ids = { share: "share-" + this.name, reason: "reason-" + this.name };
    this.share = make("input", { id: ids.share, kind: "share", type: "text", inputmode: "decimal", maxlength: "8", autocomplete: "off" });
    this.slider = make("input", { type: "range", min: "0", max: "100", step: "1", "aria-label": "Candidate's share, in whole percent" });
    this.reason = make("input", { id: ids.reason, type: "text", maxlength: "500", autocomplete: "off", placeholder: "optional; stands in the journal" });
    const set = make("button", { type: "submit", kind: "do-split", text: "Set" });
    this.buttons.split = set;
    const form = make("form", { kind: "split", novalidate: true },
      make("label", { for: ids.share, text: "Candidate" }), this.slider, this.share, make("span", { text: "%" }), set);
    form.addEventListener("submit", event => { event.preventDefault(); this.clicked("split"); });
    this.share.addEventListener("input", () => { this.slider.value = percentFrom(this.share.value) ?? 0; this.wrote(); });
    this.slider.addEventListener("input", () => { this.share.value = this.slider.value; this.wrote(); });
    this.reason.addEventListener("input", () => this.wrote());
    const verbs = make("div", { kind: "buttons" }, ...["pause", "resume", "skip", "promote"].map(verb => this.button(verb)));
    return make("section", { kind: "controls", "aria-label": "Steer " + this.name }, form, verbs,
      make("div", { kind: "reason" }, make("label", { for: ids.reason, text: "Why" }), this.reason),
      this.part("hint", "p", { kind: "hint" }),
      this.part("moved", "p", { kind: "moved", role: "status" }),
      this.outcomeOf("steer"));
  }

  /* What a command came to is told beside its button. */
  outcomeOf(place) {
    return (this.outcomes[place] = make("div", { kind: "outcome", role: "alert" }));
  }

  /* --- looking --- */

  show(agent, readAtMs) {
    this.seen.show(agent);
    this.draw(readAtMs);
  }

  draw(readAtMs) {
    const agent = this.seen.newest;
    const { parts } = this;
    fill(parts.phase, [agent.phase, agent.verdict, serves(agent)], () =>
      [pill(agent.phase), serves(agent) || agent.findings.length ? pill(agent.verdict, "What the evidence says") : null]);
    fill(parts.about, phaseText(agent), text => text);
    fill(parts.versions, [agent.stable, agent.candidate, agent.previous], () => versionsOf(agent));
    fill(parts.tracks, [agent.wanted, agent.gateways], () => tracksOf(agent));
    fill(parts.steps, [agent.rollout, agent.phase], () => [stepsOf(agent)]);
    fill(parts.waits, [agent.timers, agent.drains, agent.rollout], () => waitsOf(agent, readAtMs));
    fill(parts.findings, [agent.findings, agent.sources], () => findingsOf(agent));
    this.drawConsent(agent);
    this.drawControls(agent);
  }

  drawConsent(agent) {
    const asked = COMMANDS.approve.fits(agent);
    const mayOnlyConsent = may("consent") && !may("steer") && COMMANDS.reject.fits(agent);
    this.parts.consent.hidden = !(asked || mayOnlyConsent);
    if (agent.rollout) fill(this.parts.asked, [agent.phase, agent.rollout, agent.candidate, this.proposal], () => askedOf(agent, this.proposal));
  }

  drawControls(agent) {
    for (const [verb, button] of Object.entries(this.buttons)) {
      const command = COMMANDS[verb];
      const fits = command.fits(agent);
      /* The way back is never locked by what this page believes: only quieter while there seems to be nothing. */
      button.disabled = this.pending.has(verb) || !may(command.right) || !(fits || verb === "rollback");
      if (verb === "approve" && agent.phase === "awaiting-consent" && !this.isShown(agent)) button.disabled = true;
    }
    fill(this.buttons.rollback, rollbackText(agent), text => text);
    this.buttons.rollback.classList.toggle("quiet", !(takesBack(agent) || agent.phase === "promoted"));
    const sets = !this.buttons.split.disabled || this.pending.has("split");
    this.share.disabled = this.slider.disabled = !sets;
    this.reason.disabled = !(may("steer") || may("consent"));
    if (!this.seen.began) this.showWanted(agent.wanted.candidate_percent);
    fill(this.parts.hint, hintFor(agent), text => text);
    fill(this.parts.moved, this.seen.isOld ? "Since you began: " + agent.changed_by : "", text => text);
    if (this.taken && this.taken.change === agent.change) fill(this.outcomes[this.taken.place], takenText(agent), text => text);
  }

  /* Whoever types "0.05" has written "0.0" on the way, which is as much as 0 and must not be written over with it. */
  showWanted(percent) {
    if (percentFrom(this.share.value) !== percent) this.share.value = String(percent);
    this.slider.value = percent;
  }

  /* Consent is to what was read: the proposal itself, and not only its digest. */
  isShown(agent) {
    return Boolean(this.proposal && this.proposal.digest === agent.rollout.digest);
  }

  async readProposal() {
    const rollout = this.seen.newest.rollout;
    if (this.parts.consent.hidden || this.reading || (this.proposal && this.proposal.id === rollout.id)) return;
    this.reading = true;
    try {
      this.proposal = await read("/v1/proposals/" + encodeURIComponent(rollout.id));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.proposal = { id: "", trouble: error.message };
    } finally {
      this.reading = false;
    }
    this.drawConsent(this.seen.newest);
    this.drawControls(this.seen.newest);
  }

  /* --- steering --- */

  wrote() {
    const untouched = !this.reason.value && percentFrom(this.share.value) === this.seen.newest.wanted.candidate_percent;
    if (untouched) this.seen.end();
    else this.seen.begin();
    this.drawControls(this.seen.newest);
  }

  clicked(verb) {
    if (this.pending.has(verb)) return;
    if (verb !== "rollback" && !COMMANDS[verb].fits(this.seen.decidesOn)) return this.tooFast(verb);
    if (COMMANDS[verb].twice && !this.armed(verb)) return;
    const facts = { reason: this.reason.value, percent: percentFrom(this.share.value) };
    if (verb === "split" && facts.percent === null) {
      this.tell(verb, "problem", [this.share.value ? "“" + this.share.value + "” is no percentage. " : "There is no percentage. ", "Write a number from 0 to 100."]);
      this.share.focus();
      return;
    }
    this.send(verb, requestOf(verb, this.seen.decidesOn, facts));
  }

  /* What is decided upon did not stand there when they looked: it came this moment, or while they wrote. */
  tooFast(verb) {
    this.tell(verb, "problem", problemText({
      title: "Not done", detail: "This has come only now: " + this.seen.newest.changed_by + ".", remedy: "Read it, and click again.",
    }));
    this.seen.know(this.seen.newest);
    this.wrote();
  }

  /* Whether this is the second of two clicks that belong together. */
  armed(verb) {
    const button = this.buttons[verb];
    const was = button.classList.contains("armed");
    this.disarm();
    if (was) return true;
    button.classList.add("armed");
    button.textContent = "Really " + COMMANDS[verb].text.toLowerCase() + "?";
    this.disarming = setTimeout(() => this.disarm(), ARMED_MS);
    return false;
  }

  disarm() {
    clearTimeout(this.disarming);
    for (const verb of ["skip", "promote"]) {
      this.buttons[verb].classList.remove("armed");
      this.buttons[verb].textContent = COMMANDS[verb].text;
    }
  }

  async send(verb, request) {
    this.disarm();
    this.pending.add(verb);
    this.drawControls(this.seen.newest);
    this.tell(verb, "asking", ["Asking…"]);
    /* Whoever hits it again and again in a hurry wants it once; and a controller that does not answer is asked again. */
    if (verb === "rollback") setTimeout(() => this.settled(verb), ROLLBACK_REST_MS);
    try {
      const told = await answerTo(request.method, request.path, request);
      this.reason.value = "";
      this.seen.know(told.wanted ? told : await this.readAgain());
      this.tell(verb, "taken", [takenText(this.seen.newest)]);
      this.taken = { place: placeOf(verb), change: this.seen.newest.change };
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      await this.refused(verb, error);
    } finally {
      if (verb !== "rollback") this.settled(verb);
      this.answeredMs = performance.now();
      this.onTold();
    }
  }

  settled(verb) {
    this.pending.delete(verb);
    this.draw(performance.now());
  }

  /* The agent as it is now; as it was last seen, if that cannot be read. */
  async readAgain() {
    try {
      return await read("/v1/agents/" + encodeURIComponent(this.name));
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return this.seen.newest;
    }
  }

  async refused(verb, error) {
    this.tell(verb, "problem", problemText(error.told));
    if (error.told.status === 401) askForToken();
    if (error.told.code !== "outdated") return;
    /* Told what came in between, they know it: the same click again is meant. What they wrote stays. */
    const written = this.share.value;
    this.seen.know(await this.readAgain());
    this.share.value = written;
    this.wrote();
  }

  tell(verb, kind, parts) {
    this.taken = null;
    for (const [place, outcome] of Object.entries(this.outcomes)) {
      const here = place === placeOf(verb);
      outcome.className = here ? "outcome " + kind : "outcome";
      outcome.drawn = null;
      outcome.replaceChildren(...(here ? parts : []));
    }
  }
}

function placeOf(verb) {
  if (verb === "rollback") return "rollback";
  return COMMANDS[verb].right === "consent" ? "consent" : "steer";
}
