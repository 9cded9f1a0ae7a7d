(function () {
  "use strict";
  var charts = JSON.parse(document.getElementById("fg-data").textContent);
  var all = function (selector, root) { return Array.prototype.slice.call((root || document).querySelectorAll(selector)); };
  var views = [];
  var table = document.getElementById("fg-layers");
  var rows = table ? all("tr[data-layer]", table) : [];
  var chosen = null;

  function show(x) {
    if (x === null || !isFinite(x)) return "–";
    var size = Math.abs(x);
    if (size !== 0 && (size < 1e-3 || size >= 1e5)) return x.toExponential(2).replace("-", "−");
    return String(Number(x.toPrecision(4))).replace("-", "−");
  }

  function rough(x) { return show(Number(x.toPrecision(2))); }

  /* One chart: its place on the drawing, and what part of its axes is seen. */
  function View(figure) {
    var self = this;
    this.figure = figure;
    this.chart = charts[Number(figure.dataset.chart)];
    this.svg = figure.querySelector("svg");
    this.plot = figure.querySelector(".fg-plot");
    this.readout = figure.querySelector(".readout");
    var frame = this.plot.dataset.frame.split(" ").map(Number);
    this.left = frame[0]; this.top = frame[1]; this.right = frame[2]; this.bottom = frame[3];
    this.whole = { x: [this.chart.x.low, this.chart.x.high], y: [this.chart.y.low, this.chart.y.high] };
    this.seen = { x: this.whole.x.slice(), y: this.whole.y.slice() };
    this.layers = this.chart.x.whole && /^layer/.test(this.chart.x.label);
    this.marks = this.make("g", {});
    this.plot.appendChild(this.marks);
    this.over = this.make("g", { "pointer-events": "none" });
    this.plot.appendChild(this.over);
    this.at = null;
    this.svg.setAttribute("tabindex", "0");
    var from = null;
    this.svg.addEventListener("pointermove", function (event) {
      var p = self.place(event);
      if (from !== null) self.brush(from, p.x); else self.hover(p.x);
    });
    this.svg.addEventListener("pointerleave", function () { if (from === null) self.leave(); });
    this.svg.addEventListener("pointerdown", function (event) {
      if (event.button !== 0) return;
      from = self.place(event).x;
      if (event.pointerType === "mouse") self.svg.setPointerCapture(event.pointerId);
    });
    this.svg.addEventListener("pointercancel", function () { from = null; self.leave(); });
    this.svg.addEventListener("pointerup", function (event) {
      if (from === null) return;
      var start = from, end = self.place(event).x;
      from = null;
      if (Math.abs(end - start) > 12) self.zoom(self.value(Math.min(start, end)), self.value(Math.max(start, end)));
      else { self.hover(end); if (self.layers && self.at !== null) choose(self.at); }
      self.leave();
    });
    this.svg.addEventListener("keydown", function (event) {
      var step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) self.step(step);
      else if (event.key === "+" || event.key === "=") self.scale(0.5);
      else if (event.key === "-") self.scale(2);
      else if (event.key === "0" || event.key === "Escape") self.zoom(self.whole.x[0], self.whole.x[1]);
      else if (event.key === "Enter" && self.layers && self.at !== null) choose(self.at);
      else return;
      event.preventDefault();
    });
    all("button[data-do]", figure).forEach(function (button) {
      button.addEventListener("click", function () {
        var what = button.dataset.do;
        if (what === "all") self.zoom(self.whole.x[0], self.whole.x[1]); else self.scale(what === "in" ? 0.5 : 2);
      });
    });
    figure.querySelector(".tools").hidden = false;
  }

  View.prototype.make = function (name, attributes, words) {
    var element = document.createElementNS(this.svg.namespaceURI, name);
    Object.keys(attributes).forEach(function (key) { element.setAttribute(key, attributes[key]); });
    if (words !== undefined) element.textContent = words;
    return element;
  };
  function part(scale, span, value) {
    if (scale === "log") return value > 0 ? Math.log(value / span[0]) / Math.log(span[1] / span[0]) : NaN;
    return (value - span[0]) / (span[1] - span[0]);
  }
  function inverse(scale, span, t) {
    return scale === "log" ? span[0] * Math.pow(span[1] / span[0], t) : span[0] + t * (span[1] - span[0]);
  }
  View.prototype.px = function (x) { return this.left + part(this.chart.x.scale, this.seen.x, x) * (this.right - this.left); };
  View.prototype.py = function (y) {
    var t = part(this.chart.y.scale, this.seen.y, y);
    return this.bottom - (isFinite(t) ? t : -9) * (this.bottom - this.top);
  };
  View.prototype.value = function (px) { return inverse(this.chart.x.scale, this.seen.x, (px - this.left) / (this.right - this.left)); };
  View.prototype.place = function (event) {
    var box = this.svg.getBoundingClientRect(), ratio = this.svg.viewBox.baseVal.width / box.width;
    return { x: (event.clientX - box.left) * ratio, y: (event.clientY - box.top) * ratio };
  };

  /* A line that marks a place on the horizontal axis has no values of its own. */
  function upright(series) { return series.kind === "line" && series.data.length === 2 && series.data[0][0] === series.data[1][0]; }

  /* Where a series has entries: [x, words] pairs. */
  function entries(series) {
    return (series.kind === "place" || upright(series) ? [] : series.data).map(function (d) {
      if (series.kind === "line") return [d[0], show(d[1]), d[1]];
      if (series.kind === "points") return [d[0], show(d[1]) + (d[2] > 0 ? " ± " + rough(d[2]) : ""), d[1]];
      if (series.kind === "bars") return [(d[0] + d[1]) / 2, show(d[2]) + (d[3] > 0 ? " ± " + rough(d[3]) : ""), d[2]];
      return [d[0], show(d[1]) + " to " + show(d[2]), d[1]];
    }).filter(function (e) { return e[0] !== null && e[2] !== null; });
  }
  View.prototype.stops = function () {
    var seen = this.seen.x, found = {};
    this.chart.series.forEach(function (series) {
      if (series.ink === "soft") return;
      entries(series).forEach(function (e) { if (e[0] >= seen[0] && e[0] <= seen[1]) found[e[0]] = e[0]; });
    });
    return Object.keys(found).map(function (key) { return found[key]; }).sort(function (a, b) { return a - b; });
  };
  View.prototype.hover = function (px) {
    var self = this, best = null;
    this.stops().forEach(function (x) { if (best === null || Math.abs(self.px(x) - px) < Math.abs(self.px(best) - px)) best = x; });
    if (best !== null) this.read(best);
  };
  View.prototype.step = function (by) {
    var stops = this.stops();
    if (!stops.length) return;
    var here = this.at === null ? -1 : stops.indexOf(this.at);
    var next = here < 0 ? (by > 0 ? 0 : stops.length - 1) : Math.min(stops.length - 1, Math.max(0, here + by));
    this.read(stops[next]);
    if (this.layers) choose(stops[next]);
  };
  View.prototype.read = function (x) {
    var self = this, said = [];
    this.at = x;
    this.chart.series.forEach(function (series) {
      if (!series.name || series.ink === "soft") return;
      var best = null, tolerance = (self.seen.x[1] - self.seen.x[0]) / 60;
      entries(series).forEach(function (e) { if (Math.abs(e[0] - x) <= tolerance && (best === null || Math.abs(e[0] - x) < Math.abs(best[0] - x))) best = e; });
      if (best) said.push(series.name.replace(" ± standard error", "") + " " + best[1]);
    });
    this.readout.textContent = (this.layers ? "layer " : this.chart.x.whole ? "no. " : "at ") + show(x) + ": " + said.join("; ");
    this.draw_over();
  };
  View.prototype.leave = function () { this.brushed = null; if (document.activeElement !== this.svg) this.at = null; this.draw_over(); };
  View.prototype.brush = function (from, to) { this.brushed = [from, to]; this.draw_over(); };
  View.prototype.draw_over = function () {
    var self = this, line = function (x, name) {
      var px = self.px(x);
      if (px < self.left - 1 || px > self.right + 1) return;
      self.over.appendChild(self.make("line", { "class": name, x1: px, x2: px, y1: self.top, y2: self.bottom }));
    };
    this.over.textContent = "";
    if (this.layers && chosen !== null) line(chosen, "fg-chosen");
    if (this.at !== null) line(this.at, "fg-cursor");
    if (this.brushed) {
      var a = Math.max(this.left, Math.min.apply(null, this.brushed)), b = Math.min(this.right, Math.max.apply(null, this.brushed));
      if (b > a) this.over.appendChild(this.make("rect", { "class": "fg-brush", x: a, y: this.top, width: b - a, height: this.bottom - this.top }));
    }
  };

  View.prototype.scale = function (factor) {
    var center = this.at !== null ? this.at : this.layers && chosen !== null ? chosen : inverse(this.chart.x.scale, this.seen.x, 0.5);
    var t = part(this.chart.x.scale, this.seen.x, center);
    this.zoom(inverse(this.chart.x.scale, this.seen.x, t - t * factor), inverse(this.chart.x.scale, this.seen.x, t + (1 - t) * factor));
  };
  View.prototype.zoom = function (low, high) {
    var whole = this.whole.x;
    low = Math.max(low, whole[0]); high = Math.min(high, whole[1]);
    var least = this.chart.x.whole ? 2 : (whole[1] - whole[0]) / 500;
    if (!(high - low >= least)) return;
    var everything = low <= whole[0] && high >= whole[1];
    this.seen = { x: [low, high], y: this.whole.y.slice() };
    if (!everything) this.fit();
    all(".fg-series,.fg-grid,.fg-axes", this.plot).forEach(function (g) { g.style.display = everything ? "" : "none"; });
    this.marks.textContent = "";
    if (!everything) this.draw();
    this.draw_over();
  };
  /* The vertical axis around what is seen. */
  View.prototype.fit = function () {
    var seen = this.seen.x, values = [], log = this.chart.y.scale === "log", bars = false;
    this.chart.series.forEach(function (series) {
      if (series.kind === "place" || series.kind === "cells" || upright(series)) return;
      bars = bars || series.kind === "bars";
      if (series.ink === "soft") return;
      series.data.forEach(function (d) {
        var x = series.kind === "bars" ? (d[0] + d[1]) / 2 : d[0];
        if (!(x >= seen[0] && x <= seen[1])) return;
        var y = series.kind === "line" ? [d[1]] : series.kind === "points" ? [d[1] - d[2], d[1], d[1] + d[2]] : series.kind === "bars" ? [d[2] + d[3]] : [d[1], d[2]];
        y.forEach(function (v) { if (v !== null && isFinite(v) && (!log || v > 0)) values.push(v); });
      });
    });
    if (!values.length) return;
    var low = Math.min.apply(null, values), high = Math.max.apply(null, values);
    if (log) { var k = Math.pow(high / low, 0.08) * 1.02; this.seen.y = [low / k, high * k]; return; }
    var margin = 0.08 * (high - low) || 0.1 * Math.abs(high) || 0.1;
    this.seen.y = [bars ? 0 : low - margin, high + margin];
  };

  function superscript(n) { return String(n).split("").map(function (c) { return c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(c)]; }).join(""); }
  function ticks(scale, span, whole, wanted) {
    var found = [], i;
    if (scale === "log" && span[1] / span[0] > 20) {
      var a = Math.log10(span[0]), b = Math.log10(span[1]), every = Math.max(1, Math.ceil((b - a) / wanted));
      for (i = Math.ceil(a / every) * every; i <= b; i += every) found.push([Math.pow(10, i), i >= -2 && i <= 3 ? String(Number(Math.pow(10, i).toPrecision(3))) : "10" + superscript(i)]);
      return found;
    }
    var rough = (span[1] - span[0]) / wanted, power = Math.pow(10, Math.floor(Math.log10(rough)));
    var step = [1, 2, 5, 10].filter(function (m) { return m * power >= rough * 0.999; })[0] * power;
    if (whole) step = Math.max(1, Math.round(step));
    for (i = Math.ceil(span[0] / step - 1e-9); i * step <= span[1] + 1e-9 * step && found.length < 40; i++) found.push([i * step, show(i * step)]);
    return found;
  }

  View.prototype.draw = function () {
    var self = this, make = this.make.bind(this), g = this.marks, width = this.right - this.left, height = this.bottom - this.top;
    var axes = make("g", {});
    ticks(this.chart.x.scale, this.seen.x, this.chart.x.whole, 8).forEach(function (t) {
      var x = self.px(t[0]);
      axes.appendChild(make("line", { "class": "s-grid", stroke: "#e1e5ea", x1: x, x2: x, y1: self.top, y2: self.bottom }));
      axes.appendChild(make("text", { "class": "f-soft", fill: "#57606a", x: x, y: self.bottom + 19, "font-size": 12, "text-anchor": "middle" }, t[1]));
    });
    ticks(this.chart.y.scale, this.seen.y, false, 6).forEach(function (t) {
      var y = self.py(t[0]);
      axes.appendChild(make("line", { "class": "s-grid", stroke: "#e1e5ea", x1: self.left, x2: self.right, y1: y, y2: y }));
      axes.appendChild(make("text", { "class": "f-soft", fill: "#57606a", x: self.left - 8, y: y + 4, "font-size": 12, "text-anchor": "end" }, t[1]));
    });
    axes.appendChild(make("path", { "class": "s-soft", stroke: "#57606a", fill: "none", d: "M" + this.left + " " + this.top + "V" + this.bottom + "H" + this.right }));
    g.appendChild(axes);
    /* A drawing in the drawing cuts off what lies outside. */
    var inner = make("svg", { x: this.left, y: this.top, width: width, height: height, viewBox: [this.left, this.top, width, height].join(" ") });
    var color = function (series) { var probe = self.plot.querySelector('.fg-series[data-series="' + self.chart.series.indexOf(series) + '"] [class*="' + series.ink + '"]'); return probe ? (probe.getAttribute("stroke") || probe.getAttribute("fill")) : "#57606a"; };
    this.chart.series.forEach(function (series) {
      var ink = color(series), stroke = { "class": "s-" + series.ink, stroke: ink, fill: "none", "stroke-width": 2 };
      if (series.kind === "line") {
        var d = "", up = true;
        series.data.forEach(function (p) {
          if (p[0] === null || p[1] === null) { up = true; return; }
          d += (up ? "M" : "L") + self.px(p[0]).toFixed(2) + " " + self.py(p[1]).toFixed(2); up = false;
        });
        if (series.dash !== "solid") stroke["stroke-dasharray"] = series.dash === "dashed" ? "7 4" : "2 3";
        inner.appendChild(make("path", Object.assign(stroke, { d: d })));
      } else if (series.kind === "points") {
        series.data.forEach(function (p) {
          if (p[1] === null) return;
          var x = self.px(p[0]), y = self.py(p[1]);
          if (p[2] > 0) inner.appendChild(make("path", { "class": "s-" + series.ink, stroke: ink, d: "M" + x + " " + self.py(p[1] - p[2]) + "V" + self.py(p[1] + p[2]) }));
          inner.appendChild(make("circle", { "class": "f-" + series.ink, fill: ink, cx: x, cy: y, r: 3.2 }));
        });
      } else if (series.kind === "bars") {
        series.data.forEach(function (b) {
          var x = self.px(b[0]), y = self.py(b[2]), mid = (x + self.px(b[1])) / 2;
          inner.appendChild(make("rect", { "class": "f-" + series.ink, fill: ink, "fill-opacity": 0.45, x: x, y: y, width: Math.max(0, self.px(b[1]) - x), height: Math.max(0, self.bottom - y) }));
          if (b[3] > 0) inner.appendChild(make("path", { "class": "s-" + series.ink, stroke: ink, d: "M" + mid + " " + self.py(b[2] - b[3]) + "V" + self.py(b[2] + b[3]) }));
        });
      } else if (series.kind === "band") {
        var there = series.data.filter(function (p) { return p[1] !== null && p[2] !== null; });
        var path = there.map(function (p) { return self.px(p[0]) + " " + self.py(p[2]); }).concat(there.slice().reverse().map(function (p) { return self.px(p[0]) + " " + self.py(p[1]); }));
        inner.appendChild(make("path", { "class": "f-" + series.ink, fill: ink, "fill-opacity": 0.22, d: "M" + path.join("L") + "Z" }));
      }
    });
    g.appendChild(inner);
  };

  /* The chosen layer: marked in every chart and in the table, and its numbers in the card. */
  var slider = document.getElementById("fg-layer"), card = document.getElementById("fg-layer-card"), label = document.getElementById("fg-layer-name");
  function nearest(layer) {
    return rows.reduce(function (best, row) {
      return best === null || Math.abs(row.dataset.layer - layer) < Math.abs(best.dataset.layer - layer) ? row : best;
    }, null);
  }
  function choose(layer) {
    var row = nearest(layer);
    if (!row) return;
    chosen = Number(row.dataset.layer);
    slider.value = rows.indexOf(row) + 1;
    slider.setAttribute("aria-valuetext", row.cells[0].textContent);
    label.textContent = row.cells[0].textContent;
    rows.forEach(function (other) { other.classList.toggle("chosen", other === row); });
    fill(row);
    views.forEach(function (view) { view.draw_over(); });
  }
  function fill(row) {
    var made = document.createElement("table"), head = made.createTHead().insertRow(), cell = 1, body = made.createTBody();
    ["Layer " + row.cells[0].textContent, "Theory", "Measured ± standard error", "Source"].forEach(function (words) {
      var th = document.createElement("th"); th.scope = "col"; th.textContent = words; head.appendChild(th);
    });
    all("thead tr:first-child th[colspan]", table).forEach(function (column) {
      var line = body.insertRow(), name = document.createElement("th"), both = column.colSpan === 2;
      name.scope = "row"; name.textContent = column.textContent + ", " + column.title; line.appendChild(name);
      line.insertCell().textContent = both ? row.cells[cell++].textContent : "–";
      line.insertCell().textContent = row.cells[cell++].textContent;
      var source = line.insertCell(), key = column.dataset.source;
      if (key) { var link = document.createElement("a"); link.href = "#ref-" + key; link.textContent = key; source.appendChild(link); }
    });
    card.textContent = ""; card.appendChild(made);
    card.hidden = false;
  }

  all("figure.chart").forEach(function (figure) { views.push(new View(figure)); });
  if (rows.length && views.some(function (view) { return view.layers; })) {
    slider.max = rows.length;
    slider.addEventListener("input", function () { choose(Number(rows[slider.value - 1].dataset.layer)); });
    rows.forEach(function (row) { row.addEventListener("click", function () { choose(Number(row.dataset.layer)); }); });
    document.querySelector(".picker").hidden = false;
    document.querySelector(".hint").hidden = false;
    choose(Number(rows[rows.length - 1].dataset.layer));
  }

  all(".copy").forEach(function (button) {
    button.hidden = false;
    button.addEventListener("click", function () {
      var code = button.parentNode.querySelector("code"), done = function () { button.textContent = "Copied"; setTimeout(function () { button.textContent = "Copy"; }, 1500); };
      var select = function () {
        var range = document.createRange(), selection = window.getSelection();
        range.selectNodeContents(code); selection.removeAllRanges(); selection.addRange(range);
        if (document.execCommand("copy")) done(); else button.textContent = "Selected";
      };
      if (navigator.clipboard && window.isSecureContext) navigator.clipboard.writeText(code.textContent).then(done, select); else select();
    });
  });
  window.addEventListener("beforeprint", function () { all("details").forEach(function (d) { d.open = true; }); });
}());
