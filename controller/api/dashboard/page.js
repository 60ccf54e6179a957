
/* The page: what it keeps, when it looks again, and who sits before it. */

const NEWS_MAX = 40;
const LOOK_MS = 5000;
const SOON_MS = 150;

const at = id => document.getElementById(id);
const cards = new Map();
const link = { text: "Connecting…", live: false, trouble: "" };

function drawLink() {
  const shown = at("link");
  shown.textContent = link.trouble || link.text;
  shown.className = link.trouble || !link.live ? "amiss" : "live";
  document.body.classList.toggle("old", Boolean(link.trouble));
}

/* --- agents --- */

function showAgents(agents, askedMs) {
  const names = new Set(agents.map(agent => agent.name));
  for (const [name, card] of cards) {
    if (!names.has(name)) { card.node.remove(); cards.delete(name); }
  }
  if (!cards.size) at("agents").replaceChildren();
  for (const agent of agents) {
    const card = cards.get(agent.name);
    if (!card) addCard(agent);
    /* What was asked for before a command was answered is older than the answer. */
    else if (card.answeredMs < askedMs) card.show(agent, performance.now());
  }
  for (const card of cards.values()) card.readProposal();
  if (!agents.length) at("agents").replaceChildren(make("p", { kind: "nothing", text: "No agent is declared in the settings." }));
}

/* By name, as the controller tells them: a new one moves no other out of its order. */
function addCard(agent) {
  const card = new Card(agent, lookSoon);
  cards.set(agent.name, card);
  const next = [...cards.keys()].filter(name => name > agent.name).sort()[0];
  at("agents").insertBefore(card.node, next ? cards.get(next).node : null);
}

async function look() {
  const askedMs = performance.now();
  try {
    showAgents((await read("/v1/agents")).agents, askedMs);
    link.trouble = "";
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    link.trouble = "Cannot read: " + error.message + " What stands here is old.";
    if (error.told.status === 401) askForToken();
  }
  drawLink();
}

async function lookAround() {
  if (link.trouble) return;
  const [gateways, settings] = await Promise.allSettled([read("/v1/gateways"), read("/v1/settings")]);
  if (gateways.status === "fulfilled") fill(at("gateways"), gateways.value, gatewaysOf);
  if (settings.status === "fulfilled") showTrouble(settings.value.refused);
}

function showTrouble(refused) {
  at("trouble").hidden = !refused.length;
  fill(at("trouble"), refused, lines => lines.map(text => make("li", { text: "Not in force: " + text })));
}

/* One look at a time, and one more when something happened meanwhile. */
const looking = { busy: false, again: false, timer: 0 };

function lookSoon() {
  looking.again = true;
  if (looking.busy || looking.timer) return;
  looking.timer = setTimeout(async () => {
    Object.assign(looking, { busy: true, again: false, timer: 0 });
    try {
      await look();
    } finally {
      looking.busy = false;
      if (looking.again) lookSoon();
    }
  }, SOON_MS);
}

/* --- decisions --- */

function newsItem(what, told) {
  return make("li", {}, told.at ? clock(told.at) : null, make("b", { text: told.agent || "" }), pill(what),
    make("span", { text: told.text }));
}

function heard(what, told) {
  at("news").prepend(newsItem(what, told));
  while (at("news").children.length > NEWS_MAX) at("news").lastChild.remove();
  lookSoon();
}

/* --- who asks --- */

function askForToken() {
  at("as-token").hidden = false;
  at("as-name").hidden = true;
}

function drawCaller() {
  const { caller, token } = me;
  at("forget").hidden = !token;
  if (caller === null) return;
  at("as-token").hidden = caller.role === null;
  at("as-name").hidden = caller.role !== null;
  const doing = { read: "look", steer: "steer", consent: "consent" };
  const does = ["read", "steer", "consent"].filter(right => caller.may.includes(right)).map(right => doing[right]);
  const words = caller.role === null ? "" : caller.name + " · " + caller.role + ": may " + does.join(" and ");
  fill(at("caller"), words, text => text);
  for (const card of cards.values()) card.draw(performance.now());
}

async function readCaller() {
  me.caller = await read("/v1/caller");
  drawCaller();
}

/* A token that is not taken is not kept. */
async function useToken(token) {
  const before = { ...me };
  Object.assign(me, { token, caller: null });
  try {
    await readCaller();
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    Object.assign(me, before);
    drawCaller();
    at("caller").drawn = null;
    at("caller").replaceChildren(...problemText(error.told));
    return;
  }
  at("token").value = "";
  listener.again();
  lookSoon();
}

at("who").addEventListener("submit", event => {
  event.preventDefault();
  const token = at("token").value.trim();
  if (token) useToken(token);
});
at("forget").addEventListener("click", () => useToken(""));
at("name").addEventListener("input", () => { me.name = at("name").value.trim(); });

const listener = new Listener(heard, (text, live) => {
  Object.assign(link, { text, live });
  drawLink();
  lookSoon();
});

async function round() {
  lookSoon();
  await Promise.allSettled([lookAround(), readCaller()]);
  setTimeout(round, LOOK_MS);
}

round();
