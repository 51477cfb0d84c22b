// One chart over time, with its values as text below the title: the latest ones, or those
// under the pointer.
/* global uPlot */
import { el, setText } from "./dom.js";
import { clock, unknown } from "./text.js";

const dark = matchMedia("(prefers-color-scheme: dark)");

// colour reads one of the colours that style.css has for light and for dark.
function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
}

// binary are the steps of an axis of bytes.
export const binary = Array.from({ length: 50 }, (_, k) => 2 ** k);

// Chart draws series, each with a label, the name of a colour, and how to write a value.
export class Chart {
  constructor(title, series, write, axis, steps) {
    this.series = series;
    this.write = write;
    this.axis = axis ?? write;
    this.steps = steps;
    this.data = [[], ...series.map(() => [])];
    this.values = series.map(() => el("b", {}, unknown));
    this.time = el("span", { class: "chart-time" });
    this.box = el("div", { class: "chart-box", "aria-hidden": "true" });
    this.root = el("figure", { class: "panel chart" },
      el("figcaption", {}, el("h2", {}, title), this.time),
      el("p", { class: "legend" }, series.map((s, k) => el("span", {}, el("i", { class: "key key-" + s.colour }), s.label + " ", this.values[k]))),
      this.box);
    new ResizeObserver(() => this.resize()).observe(this.box);
    dark.addEventListener("change", () => this.make());
  }

  make() {
    this.plot?.destroy();
    this.plot = null;
    const width = this.box.clientWidth;
    if (!width) return; // hidden: resize comes once it is not
    const grid = { stroke: colour("grid"), width: 1 };
    const text = { stroke: colour("muted"), font: "11px system-ui, sans-serif", grid, ticks: { show: false } };
    this.plot = new uPlot({
      width,
      height: this.box.clientHeight,
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 }, sync: { key: "charts" } },
      padding: [8, 26, 0, 0],
      scales: { y: { range: (_, low, high) => [0, high > 0 ? high * 1.08 : 1] } },
      axes: [
        { ...text, space: 70, size: 22, values: (_, at) => at.map((t) => clock(t, at.length > 1 && at[1] - at[0] < 60)) },
        { ...text, size: 58, space: 32, ...(this.steps && { incrs: this.steps }), values: (_, at) => at.map((v) => this.axis(v)) },
      ],
      series: [{}, ...this.series.map((s) => ({
        stroke: colour(s.colour), width: 1.5, fill: s.fill ? colour(s.colour) + "22" : undefined, points: { show: false }, spanGaps: true,
      }))],
      hooks: { setCursor: [(u) => this.show(u.cursor.idx)] },
    }, this.data, this.box);
  }

  resize() {
    if (!this.plot) this.make();
    else if (this.box.clientWidth) this.plot.setSize({ width: this.box.clientWidth, height: this.box.clientHeight });
  }

  set(data) {
    this.data = data;
    if (!this.plot) this.make();
    else this.plot.setData(data);
    this.show(this.plot?.cursor.idx);
  }

  // show writes the values of one place, or the latest.
  show(at) {
    const over = at !== null && at !== undefined && at < this.data[0].length;
    const k = over ? at : this.data[0].length - 1;
    setText(this.time, over ? clock(this.data[0][k]) : "");
    this.values.forEach((value, s) => {
      const v = this.data[s + 1][k];
      setText(value, v === null || v === undefined ? unknown : this.write(v));
    });
  }
}

// over cuts rows into steps of seconds; make turns the rows of one step, and the one
// before, into values. Steps begin at the same times whenever they are made.
export function over(rows, at, from, step, make) {
  const data = [];
  let first = 0;
  while (first < rows.length && rows[first][at] < from) first++;
  for (let k = Math.max(first, 1); k < rows.length;) {
    const begin = k;
    const end = (Math.floor(rows[k][at] / step) + 1) * step;
    while (k < rows.length && rows[k][at] < end) k++;
    // What has only begun is shown with the step before.
    if (k === rows.length && rows[k - 1][at] - rows[begin - 1][at] < step * 0.6) break;
    const values = make(rows[begin - 1], rows.slice(begin, k));
    values.forEach((v, s) => (data[s] ??= []).push(v));
  }
  return data;
}

// rate is how much a count grew a second; null where it fell.
export function rate(before, rows, at, field) {
  const last = rows[rows.length - 1];
  const d = last[field] - before[field];
  return d < 0 || last[at] <= before[at] ? null : d / (last[at] - before[at]);
}

// middle and most are of what is known in some rows.
export function middle(rows, field) {
  const known = rows.map((r) => r[field]).filter((v) => v !== null).sort((a, b) => a - b);
  return known.length ? known[known.length >> 1] : null;
}

export function most(rows, field) {
  const known = rows.map((r) => r[field]).filter((v) => v !== null);
  return known.length ? Math.max(...known) : null;
}
