// The tree: a part of one directory at a time, in the order of the names' bytes. The
// address says which: #/files/INODE?after=KEY, before=KEY, at=KEY, from=TEXT or end=1, and open=KEY
// for the entry that is shown beside it.
import { el, setText } from "./dom.js";
import { get } from "./live.js";
import { Preview } from "./preview.js";
import { bytes, date, joined, nodes, plain, unknown } from "./text.js";

const again = 4000; // while files come, what is shown is asked for so often, in ms
const typed = 200; // after so long without a key, what was typed is looked for, in ms

export class Files {
  constructor(root, live) {
    this.root = root;
    this.live = live;
    this.dir = null;
    this.place = {};
    this.listing = null;
    this.focus = 0;
    this.crumbs = el("ol", { class: "crumbs" });
    this.search = el("input", {
      type: "search", id: "from", maxlength: 255, autocomplete: "off", spellcheck: "false", placeholder: "Go to a name…",
      oninput: () => this.typing(), onkeydown: (e) => this.searchKey(e),
    });
    this.said = el("p", { class: "said", role: "status", "aria-live": "polite" });
    this.body = el("tbody", { onkeydown: (e) => this.key(e) });
    this.table = el("table", { class: "entries", "aria-label": "Names of the directory" },
      el("thead", {}, el("tr", {}, ["Name", "State", "Size", "Modified"].map((t) => el("th", { scope: "col", class: "col-" + t.toLowerCase() }, t)))), this.body);
    const button = (text, title, place) => el("button", { type: "button", title, onclick: () => this.turn(place()) }, text);
    this.buttons = {
      first: button("First", "First names (Home)", () => ({})),
      before: button("Back", "Names before (Page Up)", () => ({ before: this.listing.before })),
      after: button("Next", "Names after (Page Down)", () => ({ after: this.listing.after })),
      last: button("Last", "Last names (End)", () => ({ end: "1" })),
    };
    this.preview = new Preview(() => this.close());
    root.append(
      el("div", { class: "where" }, el("nav", { "aria-label": "Directory" }, this.crumbs), el("label", { for: "from", class: "hidden-label" }, "Go to a name"), this.search),
      el("div", { class: "browser" },
        el("div", { class: "panel list" }, this.table, el("div", { class: "pager" }, Object.values(this.buttons), this.said)),
        this.preview.root),
      el("p", { class: "keys" }, "Keys: ", [["↑ ↓", "move"], ["Page Up, Page Down", "turn the page"], ["Home, End", "first and last"], ["Enter", "open"], ["Backspace", "up"], ["/", "go to a name"], ["Esc", "close"]].map(([k, what]) => [el("kbd", {}, k), " " + what + "  "])));
    document.addEventListener("keydown", (e) => {
      if (e.key !== "/" || this.root.hidden || e.ctrlKey || e.metaKey || e.altKey || e.target instanceof HTMLInputElement) return;
      e.preventDefault();
      this.search.focus();
      this.search.select();
    });
  }

  // enter shows what the address says.
  async enter([inode = "1"], query) {
    const place = Object.fromEntries([...query].filter(([key]) => key !== "open"));
    const open = query.get("open");
    const same = inode === this.dir && JSON.stringify(place) === JSON.stringify(this.place);
    if (inode !== this.dir) this.search.value = "";
    if (!same) {
      const path = this.listing?.path ?? [];
      const child = path.at(-2)?.inode === inode ? path.at(-1) : null; // where one comes from
      this.dir = inode;
      this.place = place;
      await this.load(open ? null : { inode: child?.inode });
      if (child && this.dir === inode && this.listing?.after && !this.listing.entries.some((e) => e.inode === child.inode)) {
        await this.turn({ at: child.key }, { inode: child.inode }); // it stands further on
      }
    } else if (!this.listing) {
      await this.load(null);
    }
    if (this.dir !== inode) return;
    if (open) await this.preview.show(inode, open);
    else this.preview.hide();
    this.mark(open);
    this.later();
  }

  leave() {
    clearTimeout(this.timer);
    this.loading?.abort();
  }

  address(place, open) {
    const query = new URLSearchParams(place);
    if (open) query.set("open", open);
    const text = query.toString();
    return "#/files/" + this.dir + (text ? "?" + text : "");
  }

  // load asks for the part of the directory that is to be shown. Then focus is on the
  // entry of an inode, on "first" or "last", or stays where it is (null).
  async load(focus) {
    this.loading?.abort();
    const loading = new AbortController();
    this.loading = loading;
    const url = "api/files?" + new URLSearchParams({ dir: this.dir, ...this.place });
    let listing;
    try {
      listing = await get(url, AbortSignal.any([loading.signal, AbortSignal.timeout(10_000)]));
    } catch (e) {
      if (!loading.signal.aborted) this.fail(e.message);
      return false;
    }
    if (loading.signal.aborted) return false;
    this.show(listing, focus);
    return true;
  }

  fail(text) {
    setText(this.said, "This directory cannot be shown: " + text + ".");
    this.said.classList.add("bad");
  }

  show(listing, focus) {
    const text = JSON.stringify(listing);
    if (focus === null && text === this.shown) return; // what has the focus, or is selected, stays so
    this.shown = text;
    const had = this.root.contains(document.activeElement) && this.body.contains(document.activeElement);
    const key = had ? document.activeElement.dataset.key : null;
    this.listing = listing;
    this.said.classList.remove("bad");
    this.showPath();
    this.rows = listing.entries.map((e) => this.row(e));
    this.body.replaceChildren(...this.rows);
    this.buttons.first.disabled = this.buttons.before.disabled = !listing.before;
    this.buttons.after.disabled = this.buttons.last.disabled = !listing.after;
    const n = this.rows.length;
    setText(this.said, n ? n + (n === 1 ? " name" : " names") + ", from " + joined(listing.entries[0].name) + " to " + joined(listing.entries[n - 1].name)
      : listing.before ? "There are no names from there on." : "There are no names here.");
    let at = listing.entries.findIndex((e) => (key && focus === null ? e.key === key : focus?.inode && e.inode === focus.inode));
    if (focus === "last") at = n - 1;
    this.roving(Math.max(at, 0), had || focus === "first" || focus === "last");
    this.mark(this.opened);
  }

  showPath() {
    const { path, cut } = this.listing;
    const crumb = (c, k) => {
      const name = c.inode === "1" ? ["/"] : c.name;
      const last = k === path.length - 1;
      return el("li", {}, last ? el("span", { "aria-current": "page" }, el("bdi", {}, nodes(name))) : el("a", { href: "#/files/" + c.inode }, el("bdi", {}, nodes(name))));
    };
    this.crumbs.replaceChildren(...(cut ? [el("li", {}, el("a", { href: "#/files/1" }, "/")), el("li", {}, "…")] : []), ...path.map(crumb));
  }

  row(e) {
    const directory = e.kind === "directory";
    const link = el("a", {
      href: directory ? "#/files/" + e.inode : this.address(this.place, e.key), tabindex: "-1", "data-key": e.key,
      title: e.reason ? plain(e.reason) : null,
    }, el("bdi", {}, nodes(e.name)), directory ? "/" : "");
    return el("tr", { class: directory ? "directory" : null, "data-key": e.key },
      el("td", { class: "col-name" }, link),
      el("td", { class: "col-state" }, e.state ? el("span", { class: "state state-" + e.state }, e.state) : ""),
      el("td", { class: "col-size" }, directory ? "" : e.size === null ? unknown : bytes(e.size)),
      el("td", { class: "col-modified" }, e.modified ? date(e.modified) : ""));
  }

  link(k) {
    return this.rows[k]?.querySelector("a");
  }

  // roving makes one row the one that Tab comes to.
  roving(k, focus) {
    this.link(this.focus)?.setAttribute("tabindex", "-1");
    this.focus = Math.min(k, this.rows.length - 1);
    const link = this.link(this.focus);
    link?.setAttribute("tabindex", "0");
    if (focus && link) link.focus();
    else if (focus) this.search.focus(); // an empty directory
  }

  // mark shows which row is open beside the list.
  mark(open) {
    this.opened = open;
    for (const row of this.rows ?? []) row.classList.toggle("open", Boolean(open) && row.dataset.key === open);
  }

  // turn shows another part of the same directory. The address is replaced: Back leads out
  // of the directory, and not through all of its pages.
  async turn(place, focus = "first") {
    this.place = place;
    history.replaceState(null, "", this.address(place));
    this.preview.hide();
    this.mark(null);
    if (await this.load(focus)) this.later();
  }

  key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey || !this.listing) return;
    const { before, after, path } = this.listing;
    const at = this.rows.indexOf(e.target.closest("tr"));
    const go = {
      ArrowDown: () => (at < this.rows.length - 1 ? this.roving(at + 1, true) : after && this.turn({ after })),
      ArrowUp: () => (at > 0 ? this.roving(at - 1, true) : before && this.turn({ before }, "last")),
      PageDown: () => (after ? this.turn({ after }) : this.roving(this.rows.length - 1, true)),
      PageUp: () => (before ? this.turn({ before }) : this.roving(0, true)),
      Home: () => (before ? this.turn({}) : this.roving(0, true)),
      End: () => (after ? this.turn({ end: "1" }, "last") : this.roving(this.rows.length - 1, true)),
      Backspace: () => path.length > 1 && (location.hash = "#/files/" + path.at(-2).inode),
      Escape: () => this.preview.shown && this.close(),
    }[e.key];
    if (!go) return;
    e.preventDefault();
    go();
  }

  // close closes what is open, and goes back to its row.
  close() {
    const k = this.rows.findIndex((row) => row.dataset.key === this.opened);
    history.replaceState(null, "", this.address(this.place));
    this.preview.hide();
    this.mark(null);
    this.roving(Math.max(k, 0), true);
  }

  typing() {
    clearTimeout(this.typed);
    this.typed = setTimeout(() => this.turn(this.search.value ? { from: this.search.value } : {}, null), typed);
  }

  searchKey(e) {
    if (e.key !== "Enter" && e.key !== "ArrowDown") return;
    e.preventDefault();
    clearTimeout(this.typed);
    this.turn(this.search.value ? { from: this.search.value } : {});
  }

  // later asks again while files come.
  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(async () => {
      if (this.root.hidden) return;
      const state = this.live.event?.status.state;
      if (!document.hidden && state !== "complete" && this.listing) await this.load(null);
      this.later();
    }, again);
  }
}
