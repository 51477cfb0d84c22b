// What is shown where: the views by the part of the address behind #, and the line about
// the connection.
import { setText } from "./dom.js";
import { Live } from "./live.js";
import { Overview } from "./overview.js";
import { Files } from "./files.js";
import { Failures } from "./failures.js";
import { clock, count } from "./text.js";

const at = (id) => document.getElementById(id);

const live = new Live(changed, said);
const views = {
  overview: new Overview(at("overview"), live),
  files: new Files(at("files"), live),
  failures: new Failures(at("failures"), live),
};
let current = null;

// The states of motefs in words, and how much they matter.
const states = {
  starting: ["starting", ""],
  listing: ["listing", "busy"],
  mirroring: ["mirroring", "busy"],
  refreshing: ["refreshing", "busy"],
  verifying: ["verifying", "busy"],
  serving: ["serving", "good"],
  complete: ["complete", "good"],
  waiting_for_origin: ["waiting for the origin", "bad"],
  waiting_for_room: ["waiting for room on the disk", "bad"],
  failed: ["failed", "bad"],
  ended: ["ended, with failures", "bad"],
  stopped: ["stopped", ""],
};

function changed() {
  const status = live.event.status;
  const [text, mood] = states[status.state] ?? [String(status.state), ""];
  setText(at("state"), text);
  at("state").dataset.mood = mood;
  const badge = at("failed-badge");
  badge.hidden = !status.failed;
  setText(badge, count(status.failed));
  document.title = text + " · motefs";
  current?.update?.();
}

let version = null;
let notice = null;

function said(what, why) {
  const line = at("connection");
  document.body.classList.toggle("stale", what !== "live" && what !== "restarted");
  line.classList.toggle("bad", what === "lost" || what === "refused");
  const now = clock(Date.now() / 1000);
  const running = live.event?.status.version;
  switch (what) {
    case "live":
      if (version && running !== version) {
        setText(line, "Another version of motefs is running now: reload this page.");
      } else if (!notice) {
        setText(line, "");
      }
      version ??= running;
      break;
    case "restarted":
      // It is said for a minute, and not taken away by the next event.
      clearTimeout(notice);
      notice = setTimeout(() => (notice = null), 60_000);
      setText(line, "motefs was started again; connected since " + now + ".");
      break;
    case "ended":
      setText(line, "motefs ended at " + now + ". What is shown was true then; this page waits for it to come back.");
      break;
    case "refused":
      setText(line, "Not connected: " + why + ".");
      break;
    default:
      if (!line.textContent.startsWith("motefs ended") && !line.textContent.startsWith("Connection lost")) {
        setText(line, "Connection lost at " + now + ". What is shown was true then; trying again.");
      }
  }
}

// route shows the view that the address names: #/, #/files/INODE?… or #/failures?….
function route() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, ...rest] = path.split("/");
  const view = name in views ? name : "overview";
  for (const [key, v] of Object.entries(views)) {
    v.root.hidden = key !== view;
    if (key !== view) v.leave?.();
  }
  for (const a of document.querySelectorAll("nav a")) {
    if (a.dataset.view === view) a.setAttribute("aria-current", "page");
    else a.removeAttribute("aria-current");
  }
  current = views[view];
  current.enter(rest, new URLSearchParams(query));
  if (live.event) current.update?.();
}

at("skip").addEventListener("click", (e) => {
  e.preventDefault();
  at("main").focus();
});
addEventListener("hashchange", route);
route();
live.start();
