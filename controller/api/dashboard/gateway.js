
/* Gateways: what share each was told, has confirmed, and really gives. Only shows. */

function trackBar(split, label) {
  const bar = make("div", { kind: "track-bar", role: "img", "aria-label": label });
  if (split) {
    const filled = make("div", { kind: "filled" + (split.candidate_percent > 0 ? " some" : "") });
    filled.style.width = split.candidate_percent + "%";
    bar.append(filled);
  } else {
    bar.classList.add("unknown");
  }
  return bar;
}

function shareText(split) {
  if (!split) return "unknown";
  return percent(split.candidate_percent) + (split.mirror_percent ? " + mirror " + percent(split.mirror_percent) : "");
}

function trackRow(name, split, more = {}) {
  const figure = shareText(split);
  return make("li", { kind: "track-row" + (more.kind ? " " + more.kind : "") },
    make("span", { kind: "track-name", text: name }),
    trackBar(split, name + ": candidate " + figure),
    make("span", { kind: "number", text: figure }),
    more.note ? make("small", { kind: more.amiss ? "note amiss" : "note", text: more.note }) : null);
}

/* Set is not applied: what a gateway has not confirmed yet is said to be so, and in its own words. */
function confirmedRow(gateway) {
  const receipt = gateway.receipt;
  let note = "";
  if (gateway.drift) note = "changed by hand: " + gateway.drift;
  else if (!gateway.up_to_date && receipt && receipt.outcome !== "confirmed") {
    note = [receipt.outcome, receipt.code, receipt.detail].filter(Boolean).join(": ");
  } else if (!gateway.up_to_date) note = "has not confirmed what is wanted yet";
  return trackRow(gateway.gateway + " confirmed", gateway.confirmed, { note, amiss: note !== "", kind: gateway.up_to_date ? "" : "waiting" });
}

function observedRow(gateway) {
  const { requests, candidate_percent: share, off } = gateway.observed;
  const flying = Object.entries(gateway.in_flight).map(([version, open]) => version + ": " + open.toLocaleString("en"));
  const notes = [count(requests, "request")];
  if (off) notes.unshift("not the share that it was told");
  if (flying.length) notes.push("in flight " + flying.join(", "));
  const split = share === null ? null : { candidate_percent: share, mirror_percent: 0 };
  return trackRow(gateway.gateway + " observed", split, { note: notes.join(" · "), amiss: off, kind: "observed" });
}

function tracksOf(agent) {
  const rows = [trackRow("Wanted", agent.wanted, { kind: "wanted" })];
  for (const gateway of agent.gateways) rows.push(confirmedRow(gateway), observedRow(gateway));
  return make("ul", { kind: "plain tracks" }, ...rows);
}

/* --- all gateways --- */

function gatewayItem(gateway) {
  const amiss = [];
  if (gateway.last_error) amiss.push(gateway.last_error);
  for (const of of gateway.agents) {
    if (of.drift) amiss.push(of.agent + ": changed by hand: " + of.drift);
    else if (!of.up_to_date) amiss.push(of.agent + ": not confirmed yet");
  }
  const nodes = gateway.nodes.length ? count(gateway.nodes.length, "node") : "";
  return make("li", { kind: "gateway" },
    make("span", { kind: "lamp " + (gateway.reachable ? "on" : "off"), role: "img", "aria-label": gateway.reachable ? "reachable" : "not reachable" }),
    make("b", { text: gateway.name }),
    make("span", { text: " " + [gateway.kind, gateway.detail, nodes].filter(Boolean).join(" · "), title: gateway.nodes.join(", ") }),
    ...amiss.map(text => make("div", { kind: "amiss", text })));
}

function strangerItem(stranger) {
  return make("li", { kind: "gateway" }, make("span", { kind: "lamp off", role: "img", "aria-label": "gets nothing" }),
    make("b", { text: stranger.node }),
    make("div", { kind: "amiss", text: "is connected and gets nothing: its node.cluster " + stranger.cluster + " is no gateway" }));
}

function gatewaysOf(told) {
  const items = [...told.gateways.map(gatewayItem), ...told.strangers.map(strangerItem)];
  return items.length ? items : make("li", { kind: "nothing", text: "No gateway is declared." });
}
