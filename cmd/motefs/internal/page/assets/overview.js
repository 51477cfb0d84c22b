// What motefs does now, and did in the past hour.
import { el, setText } from "./dom.js";
import { binary, Chart, middle, most, over, rate } from "./chart.js";
import { bytes, count, percent, plain, seconds, short, span, unknown, when } from "./text.js";

// ranges are how far back the charts go, and how long one step of them is, in seconds.
const ranges = [["5 min", 300, 3], ["15 min", 900, 5], ["1 hour", 3600, 15]];

const perSecond = (n) => short(n) + "/s";
const bytesPerSecond = (n) => bytes(n) + "/s";

export class Overview {
  constructor(root, live) {
    this.root = root;
    this.live = live;
    this.range = 0;
    this.origin = el("p", { class: "origin" });
    this.place = el("p", { class: "place" });
    this.bar = el("div", { class: "bar", "aria-hidden": "true" }, ["fetched", "failed", "gone"].map((s) => el("span", { class: "part part-" + s })));
    this.progress = el("p", { class: "progress-text" });
    this.tiles = new Map();
    this.charts = {
      files: new Chart("Files", [
        { label: "listed", colour: "second" },
        { label: "fetched", colour: "first", fill: true },
      ], perSecond, short),
      bytes: new Chart("Content", [{ label: "fetched", colour: "first", fill: true }], bytesPerSecond, bytes, binary),
      answers: new Chart("Origin's answers", [
        { label: "all", colour: "first", fill: true },
        { label: "none, 429 or 5xx", colour: "bad" },
      ], perSecond, short),
      took: new Chart("Time for an answer", [
        { label: "median", colour: "first" },
        { label: "99 of 100", colour: "second" },
      ], seconds),
      mount: new Chart("Mount", [{ label: "operations", colour: "first", fill: true }], perSecond, short),
      mountTook: new Chart("Time for an operation of the mount", [
        { label: "median", colour: "first" },
        { label: "99 of 100", colour: "second" },
      ], seconds),
    };
    this.facts = { origin: panel("Origin"), store: panel("Store"), process: panel("Process") };
    this.reasons = el("section", { class: "panel" });
    this.levels = el("section", { class: "panel" });
    root.append(
      el("section", { class: "panel lead" }, this.origin, this.place, this.bar, this.progress),
      el("ul", { class: "tiles" }, this.tile("files", "Files a second"), this.tile("bytes", "Bytes a second"), this.tile("listed", "Listed"),
        this.tile("fetched", "Fetched"), this.tile("pending", "Not fetched"), this.tile("failed", "Failed"), this.tile("gone", "Gone"),
        this.tile("content", "Content"), this.tile("disk", "On disk"), this.tile("left", "Time left")),
      this.picker(),
      el("div", { class: "charts" }, Object.values(this.charts).map((c) => c.root)),
      el("div", { class: "panels" }, this.facts.origin.root, this.reasons, this.facts.store.root, this.levels, this.facts.process.root),
    );
  }

  enter() {}

  tile(key, label) {
    const value = el("b", {}, unknown);
    const tile = el("li", { class: "tile tile-" + key }, el("span", {}, label), value);
    this.tiles.set(key, { tile, value });
    return tile;
  }

  picker() {
    return el("fieldset", { class: "ranges" }, el("legend", {}, "Last"), ranges.map(([label], k) =>
      el("label", {}, el("input", { type: "radio", name: "range", checked: k === this.range, onchange: () => { this.range = k; this.draw(); } }), el("span", {}, label))));
  }

  update() {
    const status = this.live.event.status;
    setText(this.origin, plain(status.origin));
    setText(this.place, (status.mountpoint ? "mounted at " + plain(status.mountpoint) + " · " : "") + "store " + plain(status.store));
    this.showProgress(status);
    this.showTiles(status);
    this.showFacts(status);
    this.showReasons(status);
    this.showLevels(this.live.event.store);
    this.draw();
  }

  showProgress(s) {
    const done = s.fetched + s.failed + s.gone;
    [...this.bar.children].forEach((part, k) => {
      part.style.width = s.listed ? (100 * [s.fetched, s.failed, s.gone][k]) / s.listed + "%" : "0";
    });
    this.bar.classList.toggle("growing", !s.listing_complete);
    let text = count(s.fetched) + " of " + count(s.listed) + (s.listing_complete ? " files fetched" : " files fetched that are listed so far");
    if (s.listed) text += ", " + percent(s.fetched, s.listed);
    if (s.listing_complete && s.listed && done === s.listed && !s.failed) text += ": nothing is missing";
    setText(this.progress, text);
  }

  showTiles(s) {
    const values = {
      files: count(s.files_per_second), bytes: bytes(s.bytes_per_second), listed: count(s.listed), fetched: count(s.fetched),
      pending: count(s.pending), failed: count(s.failed), gone: count(s.gone), content: bytes(s.content_bytes), disk: bytes(s.disk_bytes), left: s.state === "complete" ? "none" : span(s.seconds_remaining),
    };
    for (const [key, text] of Object.entries(values)) setText(this.tiles.get(key).value, text);
    this.tiles.get("failed").tile.classList.toggle("bad", s.failed > 0);
  }

  showFacts(s) {
    this.facts.origin.show([
      ["State", s.origin_up === null || s.origin_up === undefined ? "not asked so far" : s.origin_up ? "answers" : "gives nothing"],
      ["Slowed down", s.throttled_until ? "asked to wait until " + when(s.throttled_until) : s.slowed ? "yes, as it said 429 or 503" : "no"],
      ["Connections", s.connections === null || s.connections === undefined ? unknown : count(s.connections) + " open"],
      ["Requests", count(s.requests)],
      ["Last error", s.last_error ? plain(s.last_error) : "none"],
      s.last_error ? ["at", when(s.last_error_at)] : null,
    ]);
    this.facts.store.show([
      ["Free on its disk", bytes(s.disk_free_bytes)],
      ["Directories", count(s.directories)],
      ["Names left out", count(s.skipped)],
      ["Listed last", when(s.listed_at)],
    ]);
    this.facts.process.show([
      ["Version", plain(String(s.version ?? unknown))],
      ["Command", s.command ? plain(s.command) + ", process " + s.pid : unknown],
      ["Running for", span(s.seconds_elapsed)],
      ["At work for", span(s.seconds_active)],
      ["Fetched by it", s.run_files === null || s.run_files === undefined ? unknown : count(s.run_files) + " files, " + bytes(s.run_bytes)],
      s.mount ? ["Mount's errors", count(s.mount.errors)] : null,
      s.mount ? ["Mount's misses", count(s.mount.misses)] : null,
      s.refresh ? ["Refresh", count(s.refresh.new) + " new, " + count(s.refresh.changed) + " changed, " + count(s.refresh.removed) + " removed"] : null,
    ]);
  }

  showReasons(s) {
    const rows = Object.entries(s.failed_by_reason ?? {}).sort((a, b) => b[1] - a[1]);
    const key = JSON.stringify(rows) + s.failed;
    if (key === this.reasonsShown) return;
    this.reasonsShown = key;
    const body = !s.failed ? el("p", { class: "empty" }, "No file has failed.")
      : !rows.length ? el("p", { class: "empty" }, count(s.failed) + " files; their reasons are being counted.")
        : el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Reason"), el("th", { scope: "col", class: "number" }, "Files"))),
          el("tbody", {}, rows.map(([reason, n]) => el("tr", {}, el("td", {}, plain(reason.replaceAll("_", " "))), el("td", { class: "number" }, count(n))))));
    this.reasons.replaceChildren(el("h2", {}, "Failures by reason"), body, s.failed ? el("p", { class: "more" }, el("a", { href: "#/failures" }, "Show the files")) : "");
  }

  showLevels(store) {
    const key = JSON.stringify(store);
    if (key === this.levelsShown) return;
    this.levelsShown = key;
    this.levels.hidden = !store;
    if (!store) return;
    this.levels.replaceChildren(el("h2", {}, "Store's levels"),
      el("table", {}, el("thead", {}, el("tr", {}, ["Level", "Tables", "Size"].map((t, k) => el("th", { scope: "col", class: k ? "number" : null }, t)))),
        el("tbody", {}, store.levels.map((l, k) => el("tr", {}, el("td", {}, "L" + k), el("td", { class: "number" }, count(l.tables)), el("td", { class: "number" }, bytes(l.bytes)))))),
      el("p", { class: "note" }, bytes(store.debt_bytes) + " are still to be compacted; writes waited " + count(store.stalls) + " times, " + span(store.stall_seconds) + "."));
  }

  // draw draws the charts of what there is to show.
  draw() {
    const f = this.live.fields;
    if (this.root.hidden || f.at === undefined) return;
    const [, back, step] = ranges[this.range];
    const rows = this.live.rows;
    const from = rows.length ? rows[rows.length - 1][f.at] - back : 0;
    const data = over(rows, f.at, from, step, (before, part) => {
      const grew = (field) => rate(before, part, f.at, f[field]);
      return [part[part.length - 1][f.at], grew("names"), grew("files"), grew("bytes"), grew("requests"), grew("bad"), grew("operations"),
        middle(part, f.get_p50), most(part, f.get_p99), middle(part, f.mount_p50), most(part, f.mount_p99)];
    });
    const [at = [], names = [], files = [], fetched = [], requests = [], bad = [], operations = [], median = [], p99 = [], mountMedian = [], mountP99 = []] = data;
    this.charts.files.set([at, names, files]);
    this.charts.bytes.set([at, fetched]);
    this.charts.answers.set([at, requests, bad]);
    this.charts.took.set([at, median, p99]);
    const mounted = Boolean(this.live.event?.status.mount);
    this.charts.mount.root.hidden = this.charts.mountTook.root.hidden = !mounted;
    if (mounted) {
      this.charts.mount.set([at, operations]);
      this.charts.mountTook.set([at, mountMedian, mountP99]);
    }
  }
}

// panel is a list of facts.
function panel(title) {
  const list = el("dl");
  let shown = "";
  return {
    root: el("section", { class: "panel" }, el("h2", {}, title), list),
    show(facts) {
      facts = facts.filter((f) => f !== null);
      const key = JSON.stringify(facts);
      if (key === shown) return;
      shown = key;
      list.replaceChildren(...facts.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
    },
  };
}
