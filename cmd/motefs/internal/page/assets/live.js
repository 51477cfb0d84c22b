// The stream of samples, and the history behind it.

const patience = 10_000; // without an event for so long, the connection is taken for lost
const retries = [1000, 2000, 4000, 8000];

// Live calls changed after each event, and said when there is something to say of the
// connection: connecting, live, lost, ended (motefs said so) or refused (with why).
export class Live {
  constructor(changed, said) {
    this.changed = changed;
    this.said = said;
    this.fields = {};
    this.rows = [];
    this.most = 3600;
    this.process = null;
    this.last = 0; // number of the last row
    this.event = null;
    this.failures = 0;
    document.addEventListener("visibilitychange", () => {
      // A page that nobody sees takes none of the few connections that a browser has.
      if (document.hidden) this.stop();
      else if (!this.source) this.start();
    });
  }

  start() {
    this.stop();
    const source = new EventSource("api/events");
    this.source = source;
    source.onmessage = (m) => this.take(JSON.parse(m.data));
    source.addEventListener("end", () => this.lose("ended"));
    source.onerror = () => this.lose("lost");
    this.watch();
  }

  stop() {
    this.source?.close();
    this.source = null;
    clearTimeout(this.timer);
    clearTimeout(this.watchdog);
  }

  watch() {
    clearTimeout(this.watchdog);
    this.watchdog = setTimeout(() => this.lose("lost"), patience);
  }

  async lose(how) {
    this.stop();
    const wait = retries[Math.min(this.failures++, retries.length - 1)];
    this.timer = setTimeout(() => this.start(), wait);
    if (how === "lost" && this.failures > 1) {
      const why = await refusal();
      if (why) return this.said("refused", why);
    }
    if (!this.source) this.said(how);
  }

  take(event) {
    this.watch();
    this.failures = 0;
    const again = this.process !== null && this.process !== event.process;
    if (this.process !== event.process) {
      this.process = event.process;
      this.rows = [];
      this.last = 0;
    }
    this.event = event;
    if (event.number > this.last + 1 || this.fields.at === undefined) this.fill();
    else if (event.number === this.last + 1) this.add([event.sample], event.number);
    this.said(again ? "restarted" : "live");
    this.changed();
  }

  add(rows, last) {
    this.rows.push(...rows);
    this.rows.splice(0, this.rows.length - this.most);
    this.last = last;
  }

  // fill gets the samples that are missing.
  async fill() {
    if (this.filling) return;
    this.filling = true;
    try {
      const past = await get("api/history?since=" + this.last);
      past.fields.forEach((name, k) => (this.fields[name] = k));
      this.most = past.most;
      if (past.process === this.process && past.last > this.last) this.add(past.rows, past.last);
      this.changed();
    } catch {
      // The connection is gone, which the stream notices too; else the next event asks again.
    } finally {
      this.filling = false;
    }
  }
}

// get asks for JSON; what goes wrong is an Error with a text for people.
export async function get(url, signal) {
  let answer;
  try {
    answer = await fetch(url, { signal: signal ?? AbortSignal.timeout(patience) });
  } catch (e) {
    if (signal?.aborted) throw e;
    throw new Error("motefs cannot be reached");
  }
  const body = await answer.json().catch(() => null);
  if (!answer.ok) throw new Error(body?.error ?? "motefs answered with status " + answer.status);
  if (body === null) throw new Error("the answer was cut short");
  return body;
}

// refusal is why there is no stream, where the server says so.
async function refusal() {
  const end = new AbortController();
  const timeout = setTimeout(() => end.abort(), patience);
  try {
    const answer = await fetch("api/events", { signal: end.signal });
    if (!answer.ok) return (await answer.json()).error;
  } catch {
    // there is no server
  } finally {
    clearTimeout(timeout);
    end.abort();
  }
  return null;
}
