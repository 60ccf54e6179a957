
/* Asking the API. The token lives in this variable and nowhere else: not in an address, a cookie or a storage. It is
   gone with the page, and is given anew after a reload. */
const me = { token: "", name: "", caller: null };

class Problem extends Error {
  constructor(told) {
    super(told.detail || told.title);
    this.told = told;
  }
}

const UNREACHED = {
  title: "No answer",
  detail: "The controller did not answer. Whether it was done cannot be said from here.",
  remedy: "Look what is wanted and confirmed once this page is live again, or ask with turnout status.",
  code: "unreachable",
};

/* A header carries bytes; a name may have any letter. */
function bytes(text) {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

function headersFor(asked) {
  const headers = { Accept: "application/json", ...asked.headers };
  if (me.token) headers.Authorization = "Bearer " + bytes(me.token);
  else if (me.name) headers["X-Turnout-Actor"] = bytes(me.name);
  if (asked.body) headers["Content-Type"] = "application/json";
  if (asked.seen !== undefined) headers["If-Match"] = '"' + asked.seen + '"';
  return headers;
}

/* What the browser sends by itself, its login dialog's password, only ever reads: a command goes without it, so that
   a missing token is answered in words and not by another dialog. */
async function ask(method, path, asked = {}) {
  let response;
  try {
    response = await fetch(location.origin + path, {
      method,
      headers: headersFor(asked),
      body: asked.body ? JSON.stringify(asked.body) : undefined,
      cache: "no-store",
      redirect: "error",
      credentials: method === "GET" && !me.token ? "same-origin" : "omit",
      signal: asked.signal || AbortSignal.timeout(method === "GET" ? 10000 : 40000),
    });
  } catch (error) {
    throw new Problem({ ...UNREACHED, cause: String(error) });
  }
  if (response.ok) return response;
  throw new Problem(await problemOf(response));
}

async function problemOf(response) {
  const plain = { title: "HTTP " + response.status, detail: response.statusText, remedy: "", status: response.status };
  try {
    return { ...plain, ...await response.json() };
  } catch {
    return plain;  /* something between here and the controller has answered */
  }
}

/* The same, for an answer that must come whole. */
async function answerTo(method, path, asked) {
  const response = await ask(method, path, asked);
  try {
    return await response.json();
  } catch (error) {
    throw new Problem({ ...UNREACHED, cause: String(error) });
  }
}

function read(path) {
  return answerTo("GET", path);
}

/* Whether this page may do something. While that is not known nothing is held back: the controller decides. */
function may(right) {
  return me.caller === null || me.caller.may.includes(right);
}

/* What is not refused by a button is refused by the controller; both are told the same way. */
function problemText(told) {
  const parts = [make("strong", { text: told.title + ". " }), make("span", { text: told.detail || "" })];
  if (told.remedy) parts.push(make("em", { text: " " + told.remedy }));
  for (const fault of told.faults || []) {
    if (!(told.detail || "").includes(fault.message)) parts.push(make("div", { text: fault.field + ": " + fault.message }));
  }
  if (told.missed) parts.push(missedList(told));
  return parts;
}

/* After 412: what came in between, as the journal tells it. */
function missedList(told) {
  const list = make("ol", { kind: "plain missed", "aria-label": "What came in between" });
  for (const entry of told.missed) {
    const who = entry.text.startsWith(entry.actor + ":") ? entry.text : entry.actor + ": " + entry.text;
    list.append(make("li", {}, clock(entry.at), make("span", { text: " " + who + " " }), pill(entry.phase)));
  }
  if (!told.missed_all) list.append(make("li", { text: "and more, which stands in the journal" }));
  return list;
}
