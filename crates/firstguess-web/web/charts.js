// Line charts and bars as SVG: small, labelled, the same for the screen and for the file.

import { short } from "./setting.js";

const SVG = "http://www.w3.org/2000/svg";

/** An SVG element. */
export function el(tag, attributes = {}, children = []) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  for (const child of [].concat(children)) node.append(child);
  return node;
}

/** An HTML element. */
export function html(tag, attributes = {}, children = []) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  for (const child of [].concat(children)) node.append(child);
  return node;
}

const WIDTH = 340;
const HEIGHT = 210;
const BOX = { left: 46, right: 10, top: 10, bottom: 30 };

/** Round values between two ends. */
export function ticks(low, high, about = 5) {
  const span = high - low;
  if (!(span > 0)) return [low];
  const rough = span / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((unit) => unit * power).find((unit) => unit >= rough * 0.99);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9); at * step <= high + step * 1e-9; at += 1) found.push(Number((at * step).toPrecision(12)));
  return found;
}

function powers(low, high) {
  const step = Math.max(1, Math.ceil((high - low) / 5));
  const found = [];
  for (let at = Math.ceil(low - 1e-9); at <= high + 1e-9; at += step) found.push(at);
  return found;
}

const superscript = (n) => String(n).replace("-", "⁻").replace(/\d/g, (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[d]);

/** A scale for these values: logarithmic where they span decades and are positive. */
function scaleOf(values, { log = false, ends = null } = {}) {
  const usable = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  if (log && usable.length > 0) {
    // At most thirty decades: beyond that a curve is a line to the floor.
    let [low, high] = [Math.log10(Math.min(...usable)), Math.log10(Math.max(...usable))];
    low = Math.floor(Math.max(low, high - 30) + 1e-9);
    high = Math.ceil(high - 1e-9);
    if (high - low < 1) high = low + 1;
    const marks = powers(low, high).map((power) => [10 ** power, power >= -3 && power <= 4 ? short(10 ** power) : `10${superscript(power)}`]);
    return { place: (value) => (value > 0 ? Math.max(0, (Math.log10(value) - low) / (high - low)) : 0), marks };
  }
  let [low, high] = ends ?? [Math.min(...usable, 0), Math.max(...usable, 0)];
  if (!Number.isFinite(low) || !Number.isFinite(high)) [low, high] = [0, 1];
  if (!ends) high += 0.06 * (high - low || 1);
  return { place: (value) => (value - low) / (high - low), marks: ticks(low, high).map((at) => [at, short(at)]) };
}

/** A path through points; gaps where a value is missing. */
function path(points) {
  let text = "";
  let open = false;
  for (const [x, y] of points) {
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      open = false;
    } else {
      text += `${open ? "L" : "M"}${x.toFixed(2)} ${y.toFixed(2)}`;
      open = true;
    }
  }
  return text;
}

function frame(x, y, xLabel) {
  const [left, right, top, bottom] = [BOX.left, WIDTH - BOX.right, BOX.top, HEIGHT - BOX.bottom];
  const parts = [];
  for (const [at, label] of y.marks) {
    const place = bottom - y.place(at) * (bottom - top);
    if (place < top - 1 || place > bottom + 1) continue;
    parts.push(el("path", { class: "rule", d: `M${left} ${place}H${right}` }));
    parts.push(el("text", { x: left - 5, y: place + 4, "text-anchor": "end" }, label));
  }
  for (const [at, label] of x.marks) {
    const place = left + x.place(at) * (right - left);
    parts.push(el("text", { x: place, y: bottom + 14, "text-anchor": "middle" }, label));
  }
  parts.push(el("path", { class: "axis", d: `M${left} ${top}V${bottom}H${right}` }));
  parts.push(el("text", { x: right, y: HEIGHT - 3, "text-anchor": "end" }, xLabel));
  const at = (xv, yv) => [left + x.place(xv) * (right - left), bottom - y.place(yv) * (bottom - top)];
  return { parts, at };
}

function chart(name, description, parts) {
  return el("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${name}: ${description}` }, parts);
}

/**
 * Curves over x. A series is `{ index, x, y, area?, kind? }`; `points` are measured ones `{ x, y, error }`; `level` is a rule.
 */
export function lines({ name, xLabel, series, points = [], log = false, ends = null, xEnds, level = null }) {
  const values = series.flatMap((one) => one.y.filter((v) => v !== null));
  values.push(...points.flatMap((point) => (log ? [point.y] : [point.y - point.error, point.y + point.error])));
  const y = scaleOf(values, { log, ends });
  const x = scaleOf([], { ends: xEnds });
  const { parts, at } = frame(x, y, xLabel);
  if (level !== null) parts.push(el("path", { class: "level", d: path([at(xEnds[0], level), at(xEnds[1], level)]) }));
  for (const one of [...series].reverse()) {
    const places = one.x.map((value, i) => (one.y[i] === null ? [NaN, NaN] : at(value, one.y[i])));
    if (one.area) {
      const floor = at(0, 0)[1];
      const inside = places.filter(([, yv]) => Number.isFinite(yv));
      if (inside.length > 1) {
        const d = `${path(inside)}L${inside.at(-1)[0]} ${floor}L${inside[0][0]} ${floor}Z`;
        parts.push(el("path", { class: `area f${one.index}`, d, stroke: "none" }));
      }
    }
    const kind = one.kind === "on-data" ? "on-data" : `curve s${one.index}`;
    // A single layer has no line.
    if (places.length === 1 && Number.isFinite(places[0][1])) parts.push(el("circle", { class: `f${one.index}`, cx: places[0][0], cy: places[0][1], r: 4 }));
    parts.push(el("path", { class: kind, d: path(places) }));
  }
  for (const point of points) {
    const [cx, cy] = at(point.x, point.y);
    if (!Number.isFinite(cy)) continue;
    const [low, high] = [at(point.x, Math.max(point.y - point.error, log ? point.y * 1e-3 : -Infinity))[1], at(point.x, point.y + point.error)[1]];
    parts.push(el("path", { class: "error", d: `M${cx} ${low}V${high}` }));
    parts.push(el("circle", { class: "measured", cx, cy, r: 2.6 }));
  }
  const ended = series.length ? series[0].y.findLast((value) => value !== null) : undefined;
  return chart(name, ended === undefined ? "no values" : `ends at ${short(ended)}`, parts);
}

/** Bars by rank; several series side by side, measured points on the first. */
export function bars({ name, xLabel, series, points = [], level = null }) {
  const count = Math.max(1, ...series.map((one) => one.y.length), points.length);
  const y = scaleOf([], { ends: [0, 1] });
  const marks = Array.from({ length: count }, (_, i) => [i + 1, String(i + 1)]);
  const x = { place: (value) => (value - 0.5) / count, marks };
  const { parts, at } = frame(x, y, xLabel);
  const wide = 0.8 / Math.max(1, series.length);
  series.forEach((one, place) => {
    one.y.forEach((value, i) => {
      const [left, top] = at(i + 0.6 + place * wide + 0.02, value);
      const [right, bottom] = at(i + 0.6 + (place + 1) * wide - 0.02, 0);
      parts.push(el("rect", { class: `f${one.index}`, x: left, y: top, width: right - left, height: Math.max(0, bottom - top) }));
    });
  });
  if (level !== null) parts.push(el("path", { class: "level", d: path([at(0.5, level), at(count + 0.5, level)]) }));
  points.forEach((point, i) => {
    const [cx, cy] = at(i + 0.6 + wide / 2, point.y);
    const [low, high] = [at(1, point.y - point.error)[1], at(1, point.y + point.error)[1]];
    parts.push(el("path", { class: "error", d: `M${cx} ${low}V${high}` }));
    parts.push(el("circle", { class: "measured", cx, cy, r: 2.6 }));
  });
  const first = series[0]?.y.map((value) => `${(100 * value).toFixed(0)} %`).join(", ");
  return chart(name, first ? `by rank ${first}` : "being computed", parts);
}

/** Counts in equal bins of [0, 1]. */
export function histogram({ name, xLabel, counts, marker = null }) {
  const total = counts.reduce((a, b) => a + b, 0) || 1;
  const shares = counts.map((count) => count / total);
  const y = scaleOf(shares);
  const x = scaleOf([], { ends: [0, 1] });
  const { parts, at } = frame(x, y, xLabel);
  shares.forEach((share, i) => {
    const [left, top] = at(i / counts.length, share);
    const [right, bottom] = at((i + 1) / counts.length, 0);
    parts.push(el("rect", { class: "f0", x: left + 0.5, y: top, width: Math.max(0, right - left - 1), height: Math.max(0, bottom - top) }));
  });
  if (marker !== null) {
    const [place] = at(marker, 0);
    parts.push(el("path", { class: "curve s1", d: `M${place} ${BOX.top}V${HEIGHT - BOX.bottom}` }));
  }
  return chart(name, `${counts.length} bins`, parts);
}
