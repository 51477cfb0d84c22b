// One file: what is known of it, and the beginning of its content.
import { el } from "./dom.js";
import { get } from "./live.js";
import { bytes, content, count, date, joined, nodes, plain, unknown } from "./text.js";

export class Preview {
  constructor(close) {
    this.shown = null;
    this.title = el("h2", { tabindex: "-1" });
    this.facts = el("dl");
    this.views = el("div", { class: "views", role: "group", "aria-label": "Show as" });
    this.note = el("p", { class: "note" });
    this.box = el("div", { class: "content", tabindex: "0", role: "region", "aria-label": "Content" });
    this.root = el("section", { class: "panel preview", "aria-label": "File", hidden: true },
      el("div", { class: "preview-head" }, this.title, el("button", { type: "button", class: "close", "aria-label": "Close", onclick: close }, "×")),
      this.facts, this.views, this.note, this.box);
    this.root.addEventListener("keydown", (e) => {
      if (e.key !== "Escape") return;
      e.preventDefault();
      close();
    });
  }

  hide() {
    this.shown = null;
    this.root.hidden = true;
    this.forget();
  }

  // forget lets go of a picture.
  forget() {
    if (this.url) URL.revokeObjectURL(this.url);
    this.url = null;
  }

  async show(dir, key) {
    const id = dir + " " + key;
    if (this.shown === id) return;
    this.shown = id;
    let file;
    try {
      file = await get("api/file?" + new URLSearchParams({ dir, name: key }));
    } catch (e) {
      if (this.shown !== id) return;
      file = { error: e.message };
    }
    if (this.shown !== id) return;
    this.forget();
    this.root.hidden = false;
    if (file.error) this.fill([""], [["Error", plain(file.error)]], []);
    else this.file(file);
    this.title.focus({ preventScroll: true });
    this.root.scrollIntoView({ block: "nearest" });
  }

  fill(name, facts, views) {
    this.title.replaceChildren(el("bdi", {}, nodes(name)));
    this.facts.replaceChildren(...facts.filter((f) => f !== null).map(([k, v]) => el("div", {}, el("dt", {}, k), el("dd", {}, v))));
    this.views.hidden = views.length < 2;
    this.views.replaceChildren(...views.map(([label, show], k) => el("button", {
      type: "button", "aria-pressed": String(k === 0),
      onclick: (e) => {
        for (const b of this.views.children) b.setAttribute("aria-pressed", String(b === e.currentTarget));
        show();
      },
    }, label)));
    this.box.hidden = views.length === 0;
    this.box.replaceChildren();
    if (views.length) views[0][1]();
  }

  file(f) {
    const facts = [
      ["State", f.kind === "directory" ? "directory" : el("span", { class: "state state-" + f.state }, f.state)],
      f.reason ? ["Reason", plain(f.reason)] : null,
      f.tries ? ["Tries", count(f.tries) + ", the last one at " + date(f.tried)] : null,
      ["Size", f.size === null ? unknown : f.size < 1024 ? bytes(f.size) : bytes(f.size) + ", " + count(f.size) + " bytes"],
      f.modified ? ["Modified", date(f.modified)] : null,
      f.fetched ? ["Fetched", date(f.fetched)] : null,
      f.etag ? ["ETag", plain(f.etag)] : null,
      ["Inode", f.inode],
    ];
    if (f.content === null) {
      this.note.textContent = {
        pending: "It is not fetched yet. This page fetches nothing: read the file in the mount, or mirror it.",
        failed: "It could not be fetched.",
        gone: "The origin listed it, and then said that it does not have it.",
        damaged: "What the store has of it cannot be read.",
      }[f.state] ?? "";
      this.fill(f.name, facts, []);
      return;
    }
    const raw = Uint8Array.from(atob(f.content), (c) => c.charCodeAt(0));
    this.note.textContent = f.size === 0 ? "The file is empty." : raw.length < f.size ? "Its first " + bytes(raw.length) + ":" : "";
    const views = [];
    if (f.picture) views.push(["Picture", () => this.picture(raw, f)]);
    if (f.text) views.push(["Text", () => this.text(raw)]);
    views.push(["Hex", () => this.hex(raw)]);
    this.fill(f.name, facts, f.size === 0 ? [] : views);
  }

  text(raw) {
    this.box.replaceChildren(el("pre", { class: "text" }, content(new TextDecoder().decode(raw, { stream: true }))));
  }

  // hex writes as many bytes a line as there is room for: 8 or 16.
  hex(raw) {
    const wide = this.box.clientWidth < 560 ? 8 : 16;
    const lines = [];
    for (let at = 0; at < raw.length; at += wide) {
      const row = raw.subarray(at, at + wide);
      let codes = "";
      let letters = "";
      for (let k = 0; k < wide; k++) {
        codes += k < row.length ? row[k].toString(16).padStart(2, "0") + " " : "   ";
        if (k < row.length) letters += row[k] > 31 && row[k] < 127 ? String.fromCharCode(row[k]) : "·";
      }
      lines.push(at.toString(16).padStart(5, "0") + "  " + codes + " " + letters);
    }
    this.box.replaceChildren(el("pre", { class: "hex" }, lines.join("\n")));
  }

  // picture shows a picture of a type that the server has looked at: none that has scripts.
  picture(raw, f) {
    this.forget();
    this.url = URL.createObjectURL(new Blob([raw], { type: f.picture }));
    this.box.replaceChildren(el("img", { src: this.url, alt: "The picture " + joined(f.name) }));
  }
}
