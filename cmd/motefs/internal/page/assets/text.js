// How numbers, times and strings of others are written.
import { el } from "./dom.js";

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

export const unknown = "–";

export function count(n) {
  return n === null || n === undefined ? unknown : whole.format(n);
}

const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function bytes(n) {
  if (n === null || n === undefined) return unknown;
  let k = 0;
  for (; n >= 1024 && k < units.length - 1; k++) n /= 1024;
  return (k === 0 || n >= 100 ? whole.format(n) : n.toFixed(1)) + " " + units[k];
}

// short writes a number with three digits at most, as for an axis.
export function short(n) {
  for (const [unit, size] of [["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (Math.abs(n) >= size) return trim(n / size) + unit;
  }
  return trim(n);
}

function trim(n) {
  return String(Number(n.toPrecision(3)));
}

export function percent(part, all) {
  if (!all) return unknown;
  const p = (100 * part) / all;
  return (part < all && p > 99.9 ? "99.9" : p.toFixed(p < 10 ? 2 : 1)) + "\u00a0%";
}

// seconds writes how long an answer takes.
export function seconds(s) {
  if (s === null || s === undefined) return unknown;
  if (s === 0) return "0";
  if (s < 1e-3) return trim(s * 1e6) + " µs";
  if (s < 1) return trim(s * 1e3) + " ms";
  return trim(s) + " s";
}

// span writes how long something lasts, in seconds.
export function span(s) {
  if (s === null || s === undefined) return unknown;
  s = Math.round(s);
  if (s < 60) return s + " s";
  const m = Math.floor(s / 60);
  if (m < 60) return m + " min " + (s % 60) + " s";
  const h = Math.floor(m / 60);
  if (h < 48) return h + " h " + (m % 60) + " min";
  return Math.floor(h / 24) + " d " + (h % 24) + " h";
}

const two = (n) => String(n).padStart(2, "0");

// clock and date write a time, in seconds since 1970, of the browser's zone.
export function clock(t, withSeconds = true) {
  const d = new Date(t * 1000);
  return two(d.getHours()) + ":" + two(d.getMinutes()) + (withSeconds ? ":" + two(d.getSeconds()) : "");
}

export function date(t) {
  if (!t) return unknown;
  const d = new Date(t * 1000);
  if (Number.isNaN(d.getTime())) return t + " s since 1970";
  return d.getFullYear() + "-" + two(d.getMonth() + 1) + "-" + two(d.getDate()) + " " + clock(t);
}

// when is date of a time as JSON has it.
export function when(text) {
  return text ? date(Date.parse(text) / 1000) : unknown;
}

// nodes shows a name as the server cut it: at odd places stand escapes.
export function nodes(name) {
  return name.map((part, k) => (k % 2 ? el("span", { class: "escape" }, part) : part));
}

export function joined(name) {
  return name.join("");
}

// What cannot be seen, or changes how the rest is shown.
const hidden = /[\p{C}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0\u2800]|(?! )\p{Zs}/gu;
const hiddenInText = /(?![\n\t])[\p{C}\p{Zl}\p{Zp}\u115f\u1160\u3164\uffa0\u2800]/gu;

function escape(c) {
  const n = c.codePointAt(0);
  if (n < 0x100) return "\\x" + n.toString(16).padStart(2, "0");
  return n < 0x10000 ? "\\u" + n.toString(16).padStart(4, "0") : "\\U" + n.toString(16).padStart(8, "0");
}

// plain writes a string of somebody else's in one line.
export function plain(text) {
  return text.replace(hidden, escape);
}

// content shows a text with its lines.
export function content(text) {
  const all = text.replaceAll("\r\n", "\n");
  const made = [];
  let from = 0;
  for (const m of all.matchAll(hiddenInText)) {
    made.push(all.slice(from, m.index), el("span", { class: "escape" }, escape(m[0])));
    from = m.index + m[0].length;
  }
  made.push(all.slice(from));
  return made;
}
