// The phase diagram: regions, both lines, and the point that is moved.

import { get } from "./api.js";
import { el, html, ticks } from "./charts.js";
import { short } from "./setting.js";

const WIDTH = 520;
const HEIGHT = 420;
const BOX = { left: 52, right: 14, top: 12, bottom: 40 };
const PLOT = { width: WIDTH - BOX.left - BOX.right, height: HEIGHT - BOX.top - BOX.bottom };

/** Letters of the cells: class and meaning. */
const REGIONS = {
  o: ["ordered", "ordered: gradients vanish, all inputs get one class"],
  x: ["merged", "chaotic, inputs merge: gradients explode"],
  p: ["prejudiced", "chaotic, prejudiced: gradients explode, most networks favour a class"],
  n: ["neutral", "neutral: guesses are split evenly"],
  e: ["critical", "edge of chaos, within 0.001 of χ₁ = 1"],
  "?": ["unknown", "no limit"],
};

/** The diagram in `holder`; `moved(weight, bias, settled)` is told where the point goes. */
export class Diagram {
  constructor(holder, legend, status, moved) {
    this.legend = legend;
    this.status = status;
    this.moved = moved;
    this.ends = { weight: 4, bias: 0.2 };
    this.point = { weight: 1, bias: 0 };
    this.asked = null;
    this.kept = [];
    this.svg = el("svg", { class: "map", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "data-name": "phase diagram" });
    this.back = el("g", { id: "diagram-regions", "aria-hidden": "true" });
    this.axes = el("g", { "aria-hidden": "true" });
    this.lines = el("g", { id: "diagram-lines", "aria-hidden": "true", "clip-path": "url(#diagram-plot)" });
    this.marks = el("g", { "aria-hidden": "true" });
    this.handle = el("g", { id: "diagram-handle", tabindex: "0", role: "slider", "aria-label": "Point of the phase diagram: weight variance, with left and right; bias variance, with up and down", "aria-describedby": "diagram-hint" }, [
      el("circle", { class: "halo", r: 22 }),
      el("circle", { class: "dot", r: 9 }),
    ]);
    const plot = el("rect", { x: BOX.left, y: BOX.top, width: PLOT.width, height: PLOT.height });
    const clip = el("clipPath", { id: "diagram-plot" }, plot);
    this.svg.append(el("defs", {}, clip), this.back, this.axes, this.lines, this.marks, this.handle);
    holder.replaceChildren(this.svg);
    this.listen();
  }

  x(weight) {
    return BOX.left + (weight / this.ends.weight) * PLOT.width;
  }

  y(bias) {
    return BOX.top + (1 - bias / this.ends.bias) * PLOT.height;
  }

  listen() {
    const drag = (event) => {
      const box = this.svg.getBoundingClientRect();
      const scale = WIDTH / box.width;
      const within = (value) => Math.min(1, Math.max(0, value));
      const weight = within(((event.clientX - box.left) * scale - BOX.left) / PLOT.width) * this.ends.weight;
      const bias = within(1 - ((event.clientY - box.top) * scale - BOX.top) / PLOT.height) * this.ends.bias;
      this.go(weight, bias, false);
    };
    this.svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      this.svg.setPointerCapture(event.pointerId);
      this.handle.classList.add("dragging");
      this.handle.focus({ focusVisible: false });
      drag(event);
      event.preventDefault();
    });
    this.svg.addEventListener("pointermove", (event) => {
      if (this.svg.hasPointerCapture(event.pointerId)) drag(event);
    });
    const end = (event) => {
      if (!this.svg.hasPointerCapture(event.pointerId)) return;
      this.svg.releasePointerCapture(event.pointerId);
      this.handle.classList.remove("dragging");
      this.go(this.point.weight, this.point.bias, true);
    };
    this.svg.addEventListener("pointerup", end);
    this.svg.addEventListener("pointercancel", end);
    this.handle.addEventListener("keydown", (event) => {
      const part = event.shiftKey ? 0.05 : 0.005;
      const [dw, db] = [this.ends.weight * part, this.ends.bias * part];
      const steps = { ArrowLeft: [-dw, 0], ArrowRight: [dw, 0], ArrowUp: [0, db], ArrowDown: [0, -db], PageUp: [0, 10 * db], PageDown: [0, -10 * db], Home: [-Infinity, 0], End: [Infinity, 0] };
      const step = steps[event.key];
      if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      const within = (value, most) => Math.min(most, Math.max(0, value));
      this.go(within(this.point.weight + step[0], this.ends.weight), within(this.point.bias + step[1], this.ends.bias), true);
    });
  }

  go(weight, bias, settled) {
    // What a pixel can tell, so that addresses stay short.
    const [w, b] = [Number(weight.toPrecision(4)), Number(bias.toPrecision(4))];
    this.place(w, b);
    this.moved(w, b, settled);
  }

  /** Puts the point somewhere without telling. */
  place(weight, bias) {
    this.point = { weight, bias };
    const within = (value, most) => Math.min(most, Math.max(0, value));
    const [x, y] = [this.x(within(weight, this.ends.weight)), this.y(within(bias, this.ends.bias))];
    this.handle.setAttribute("transform", `translate(${x.toFixed(2)} ${y.toFixed(2)})`);
    this.handle.setAttribute("aria-valuemin", "0");
    this.handle.setAttribute("aria-valuemax", String(this.ends.weight));
    this.handle.setAttribute("aria-valuenow", String(within(weight, this.ends.weight)));
    this.handle.setAttribute("aria-valuetext", `weight variance ${short(weight)}, bias variance ${short(bias)}`);
  }

  /** The settings that are kept, as small marks in their colours. */
  keep(settings) {
    this.kept = settings;
    this.marks.replaceChildren(
      ...settings
        .filter((one) => one.weight_variance <= this.ends.weight && one.bias_variance <= this.ends.bias)
        .map((one) => el("circle", { class: `pinned f${one.index}`, cx: this.x(one.weight_variance), cy: this.y(one.bias_variance), r: 5.5 })),
    );
  }

  /** Draws the diagram of an activation, unless it is the one that is there. */
  async show(activation, pool, ends) {
    this.ends = ends;
    this.frame();
    this.place(this.point.weight, this.point.bias);
    this.keep(this.kept);
    const fields = { activation, pool, weight_variance: `0:${ends.weight}`, bias_variance: `0:${ends.bias}`, resolution: 72 };
    const key = JSON.stringify(fields);
    if (key === this.asked) return;
    this.asked = key;
    this.svg.setAttribute("data-ready", "false");
    const wait = setTimeout(() => (this.status.textContent = "Computing the diagram …"), 250);
    try {
      const found = await get("/api/phase", fields);
      if (this.asked === key) this.draw(found);
    } catch (error) {
      if (this.asked !== key) return;
      this.asked = null;
      this.back.replaceChildren();
      this.lines.replaceChildren();
      this.legend.replaceChildren();
      // A wrong activation is told of beside its field.
      this.status.textContent = error.field === "activation" && error.code === "invalid" ? "" : `No diagram yet. ${error.text ?? error.message}`;
      // What took too long is kept once it is done; who was busy will be free.
      if (error.code === "busy" || (error.code === "limit" && error.hint?.startsWith("ask again"))) {
        setTimeout(() => this.asked === null && this.show(activation, pool, ends), error.code === "busy" ? 2000 : 15_000);
      }
      return;
    } finally {
      clearTimeout(wait);
    }
    if (this.asked === key) this.svg.setAttribute("data-ready", "true");
  }

  frame() {
    const parts = [];
    const [right, bottom] = [BOX.left + PLOT.width, BOX.top + PLOT.height];
    for (const at of ticks(0, this.ends.weight, 6)) {
      parts.push(el("path", { class: "axis", d: `M${this.x(at)} ${bottom}v4` }), el("text", { x: this.x(at), y: bottom + 17, "text-anchor": "middle" }, short(at)));
    }
    for (const at of ticks(0, this.ends.bias, 5)) {
      parts.push(el("path", { class: "axis", d: `M${BOX.left} ${this.y(at)}h-4` }), el("text", { x: BOX.left - 8, y: this.y(at) + 4, "text-anchor": "end" }, short(at)));
    }
    parts.push(el("path", { class: "axis", d: `M${BOX.left} ${BOX.top}V${bottom}H${right}` }));
    parts.push(el("text", { class: "name", x: right, y: HEIGHT - 6, "text-anchor": "end" }, "weight variance σw² →"));
    parts.push(el("text", { class: "name", x: 14, y: BOX.top, "text-anchor": "end", transform: `rotate(-90 14 ${BOX.top})` }, "bias variance σb² →"));
    this.axes.replaceChildren(...parts);
  }

  draw(found) {
    this.status.textContent = "";
    const [weights, biases] = [found.weight_variance, found.bias_variance];
    const [dx, dy] = [PLOT.width / (weights.length - 1), PLOT.height / (biases.length - 1)];
    const areas = {};
    const clip = (value, low, high) => Math.min(high, Math.max(low, value));
    found.cells.forEach((row, j) => {
      // A cell reaches half-way to its neighbours, the outer ones to the frame.
      const top = clip(this.y(biases[j]) - dy / 2, BOX.top, BOX.top + PLOT.height);
      const bottom = clip(this.y(biases[j]) + dy / 2, BOX.top, BOX.top + PLOT.height);
      for (let i = 0; i < row.length; ) {
        let end = i;
        while (end < row.length && row[end] === row[i]) end += 1;
        const left = clip(this.x(weights[i]) - dx / 2, BOX.left, BOX.left + PLOT.width);
        const right = clip(this.x(weights[end - 1]) + dx / 2, BOX.left, BOX.left + PLOT.width);
        // A hair of overlap leaves no seam between rows.
        areas[row[i]] = `${areas[row[i]] ?? ""}M${left.toFixed(1)} ${(top - 0.3).toFixed(1)}H${right.toFixed(1)}V${(bottom + 0.3).toFixed(1)}H${left.toFixed(1)}Z`;
        i = end;
      }
    });
    this.back.replaceChildren(...Object.entries(areas).map(([letter, d]) => el("path", { class: REGIONS[letter]?.[0] ?? "unknown", d })));
    const { edge_of_chaos: edges, upright_edge: upright, neutrality } = found.curves;
    const draw = (points, kind) => el("path", { class: kind, d: points.map(([w, b], i) => `${i ? "L" : "M"}${this.x(w).toFixed(2)} ${this.y(b).toFixed(2)}`).join("") });
    const parts = edges.map(({ points, stable }) => draw(points, stable ? "edge" : "edge unstable"));
    if (upright !== null) parts.push(draw([[upright, 0], [upright, this.ends.bias]], "edge"));
    parts.push(...neutrality.map((points) => draw(points, "neutrality")));
    this.lines.replaceChildren(...parts);
    const seen = Object.keys(areas);
    const key = (kind, text) => html("li", {}, [el("svg", { viewBox: "0 0 20 14", "aria-hidden": "true" }, kind), text]);
    const swatches = ["o", "x", "p", "n", "?"].filter((letter) => seen.includes(letter));
    const entries = swatches.map((letter) => key(el("rect", { class: REGIONS[letter][0], width: 20, height: 14 }), REGIONS[letter][1]));
    if (edges.some(({ stable }) => stable) || upright !== null) entries.push(key(el("path", { class: "edge", d: "M0 7H20" }), "edge of chaos"));
    if (edges.some(({ stable }) => !stable)) entries.push(key(el("path", { class: "edge unstable", d: "M0 7H20" }), "edge of chaos at an unstable variance"));
    if (neutrality.length) entries.push(key(el("path", { class: "neutrality", d: "M0 7H20" }), "neutrality line"));
    this.legend.replaceChildren(...entries);
  }
}
