// The files that could not be fetched, some at a time: #/failures?from=INODE.
import { el, setText } from "./dom.js";
import { get } from "./live.js";
import { count, date, nodes, plain } from "./text.js";

const again = 4000; // after so long at the earliest, in ms

export class Failures {
  constructor(root, live) {
    this.root = root;
    this.live = live;
    this.body = el("tbody");
    this.said = el("p", { class: "said", role: "status" });
    this.first = el("a", { class: "button", href: "#/failures" }, "First");
    this.next = el("a", { class: "button" }, "Next");
    this.table = el("table", { class: "entries failed", "aria-label": "Files that could not be fetched" },
      el("thead", {}, el("tr", {}, ["Name", "Reason", "Tries", "Last try"].map((t) => el("th", { scope: "col", class: "col-" + t.toLowerCase().replace(" ", "-") }, t)))), this.body);
    root.append(el("div", { class: "panel list" }, this.table, el("div", { class: "pager" }, this.first, this.next, this.said)));
  }

  async enter(_, query) {
    const from = query.get("from") ?? "";
    this.loading?.abort();
    const loading = new AbortController();
    this.loading = loading;
    let list;
    try {
      list = await get("api/failures?" + new URLSearchParams({ from }), AbortSignal.any([loading.signal, AbortSignal.timeout(10_000)]));
    } catch (e) {
      if (!loading.signal.aborted) setText(this.said, "The failures cannot be shown: " + e.message + ".");
      return;
    }
    this.query = query;
    this.shown = this.live.event?.status.failed;
    this.due = Date.now() + again;
    this.body.replaceChildren(...list.failures.map((f) => el("tr", {},
      el("td", { class: "col-name" }, this.name(f)),
      el("td", { class: "col-reason" }, plain(f.reason), f.final ? " (asking again is of no use)" : ""),
      el("td", { class: "col-tries" }, count(f.tries)),
      el("td", { class: "col-last-try" }, date(f.when)))));
    this.table.hidden = list.failures.length === 0;
    this.first.hidden = !from;
    this.next.hidden = list.next === null;
    if (list.next !== null) this.next.setAttribute("href", "#/failures?from=" + list.next);
    setText(this.said, list.failures.length ? "" : from ? "There are no more." : "No file has failed.");
  }

  // update asks again where the number of failures is another one.
  update() {
    if (this.query && this.live.event.status.failed !== this.shown && Date.now() > this.due) this.enter(null, this.query);
  }

  name(f) {
    const text = el("bdi", {}, nodes(f.name));
    return f.key ? el("a", { href: "#/files/" + f.dir + "?" + new URLSearchParams({ at: f.key, open: f.key }) }, text) : text;
  }
}
