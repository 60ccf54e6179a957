
/* Hearing the events. An EventSource cannot send a token, so the stream is read by hand
   (WHATWG HTML, section 9.2). */

const RETRY_MS = 1000;
const SILENCE_MS = 40000;  /* the controller sends a comment every 15 s */

/* One block of lines, as an event; null where it is only a comment. */
function parseEvent(block) {
  const told = { what: "message", id: null, data: "" };
  for (const line of block.split("\n")) {
    const at = line.indexOf(":");
    const value = line.slice(at + 1).replace(/^ /, "");
    if (line.startsWith("event:")) told.what = value;
    else if (line.startsWith("id:")) told.id = value;
    else if (line.startsWith("data:")) told.data += value;
  }
  return told.data ? told : null;
}

async function* eventsOf(response, alive) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    alive();
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const told = parseEvent(block);
      if (told) yield told;
    }
  }
}

/* Listens for ever. The first time it asks for all that is remembered, by naming an event of no known life of the
   controller: the answer to that begins with `lost`, which says nothing here. */
class Listener {
  constructor(heard, linked) {
    this.heard = heard;
    this.linked = linked;
    this.last = "";
    this.stop = new AbortController();
    this.run();
  }

  again() {
    this.stop.abort();  /* with another token */
  }

  async run() {
    for (;;) {
      this.stop = new AbortController();
      let silence = 0;
      const alive = () => {
        clearTimeout(silence);
        silence = setTimeout(() => this.stop.abort(), SILENCE_MS);
      };
      try {
        alive();
        await this.listen(alive);
        this.linked("Connection ended; trying again…", false);
      } catch (error) {
        const refused = error instanceof Problem && error.told.status;
        this.linked(refused ? "No news: " + error.message : "Connection lost; trying again…", false);
      }
      clearTimeout(silence);
      await new Promise(done => setTimeout(done, RETRY_MS));
    }
  }

  async listen(alive) {
    const headers = { Accept: "text/event-stream", "Last-Event-ID": this.last || "none" };
    const response = await ask("GET", "/v1/events", { headers, signal: this.stop.signal });
    this.linked("Live", true);
    for await (const told of eventsOf(response, alive)) {
      const first = !this.last;
      this.last = told.id || this.last;
      if (!(first && told.what === "lost")) this.heard(told.what, JSON.parse(told.data));
    }
  }
}
