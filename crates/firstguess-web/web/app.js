// The page: the form, the point and the charts, kept in step.

import { ApiError, get, upload } from "./api.js";
import { bars, histogram, html, lines } from "./charts.js";
import { Diagram } from "./diagram.js";
import { Runner, points } from "./ensemble.js";
import { picture, save, table } from "./export.js";
import { show as showReport } from "./report.js";
import { MOST_KEPT, fromHash, short, title, toHash } from "./setting.js";

const $ = (id) => document.getElementById(id);
const NUMBERS = ["weight_variance", "bias_variance", "depth", "width", "classes", "input_correlation"];

let { setting, ends, kept } = fromHash(location.hash);
/** What the server said: of the current setting, and of those kept. */
let current = null;
let others = [];
/** The last ensemble and the setting it belongs to. */
let measured = null;
let vocabulary = null;

const diagram = new Diagram($("diagram"), $("diagram-legend"), $("diagram-status"), (weight, bias, settled) => {
  setting = { ...setting, weight_variance: weight, bias_variance: bias };
  fillNumbers();
  refresh(settled);
});

// ---- The form

function fill() {
  $("activation").value = vocabulary.activations.some((one) => one.call === setting.activation) ? setting.activation : "";
  $("expression").value = setting.activation;
  const [kind, size] = setting.pool ? setting.pool.split(":") : ["", ""];
  $("pool").value = kind;
  $("pool-size").disabled = !kind;
  if (size) $("pool-size").value = size;
  $("weight-end").value = ends.weight;
  $("bias-end").value = ends.bias;
  describe();
  fillNumbers();
}

function fillNumbers() {
  for (const name of NUMBERS) {
    if (document.activeElement !== $(name)) $(name).value = Number.isFinite(setting[name]) ? setting[name] : "";
  }
}

function describe() {
  const known = vocabulary.activations.find((one) => one.call === setting.activation || one.name === setting.activation.split("(")[0].trim());
  const parameters = known?.parameters.map((one) => `${one.name} ${one.domain}`).join(", ");
  $("expression-formula").textContent = known ? `${known.formula}${parameters ? ` (${parameters})` : ""}` : "An expression in x, such as x*sigmoid(1.702*x).";
}

function read() {
  const pool = $("pool").value ? `${$("pool").value}:${$("pool-size").value}` : "";
  const numbers = Object.fromEntries(NUMBERS.map((name) => [name, $(name).value === "" ? "" : Number($(name).value)]));
  setting = { activation: $("expression").value.trim(), pool, ...numbers };
}

function complain(error) {
  for (const name of ["expression", "pool-size", ...NUMBERS]) $(name).removeAttribute("aria-invalid");
  $("expression-error").textContent = "";
  $("setting-error").textContent = "";
  if (!error) return;
  const place = { activation: "expression", pool: "pool-size" }[error.field] ?? error.field;
  if (place && $(place)) $(place).setAttribute("aria-invalid", "true");
  const text = error instanceof ApiError ? error.text : String(error.message);
  $(error.field === "activation" ? "expression-error" : "setting-error").textContent = text;
}

// ---- Asking

let asking = false;
/** Whether a question waits, and whether it is the last of a drag. */
let pending = null;

/** Asks for the current setting; while an answer is under way, only the latest wish is kept. */
async function refresh(settled = true) {
  if (settled) remember();
  pending = Boolean(pending) || settled;
  document.body.dataset.busy = "true";
  if (asking) return;
  asking = true;
  while (pending !== null) {
    const last = pending;
    pending = null;
    await answer(setting, last);
  }
  asking = false;
  document.body.dataset.busy = "false";
}

async function answer(wanted, settled) {
  try {
    const found = await get("/api/point", wanted);
    current = { setting: wanted, point: found };
    complain(null);
    draw(settled);
    if (found.guess && !found.guess.ordered_shares) setTimeout(() => setting === wanted && refresh(false), 700);
  } catch (error) {
    if (setting === wanted) complain(error);
    if (error.code === "busy") setTimeout(() => refresh(settled), 1000);
  }
  document.body.dataset.answers = String(Number(document.body.dataset.answers ?? 0) + 1);
}

let remembering = 0;

function remember() {
  clearTimeout(remembering);
  remembering = setTimeout(() => history.replaceState(null, "", toHash({ setting, ends, kept })), 120);
}

function drawDiagram() {
  diagram.show(setting.activation, setting.pool, ends);
}

async function askOthers() {
  const answers = await Promise.allSettled(kept.map((one) => get("/api/point", one)));
  // One that the server refuses (an address that was edited) is dropped.
  const pairs = kept.map((one, i) => ({ setting: one, point: answers[i].value })).filter(({ point }) => point);
  kept = pairs.map((pair) => pair.setting);
  others = pairs;
  diagram.keep(others.map(({ setting: one }, i) => ({ ...one, index: i + 1 })));
  if (current) draw(false);
}

// ---- Showing

const PHASES = { ordered: ["bad", "Ordered"], edge_of_chaos: ["good", "Edge of chaos"], chaotic: ["bad", "Chaotic"] };
const BIASES = {
  neutrality: "two inputs end far apart: guesses are split evenly",
  prejudice: "inputs stay correlated: most networks favour a class",
  deep_prejudice: "all inputs merge: a deep untrained network gives them one class",
};

function verdict(point) {
  const [tone, name] = PHASES[point.phase] ?? ["fair", "No phase"];
  const gradient = point.layers.gradient?.[0];
  const multiplied = gradient === null || gradient === undefined ? "" : ` Over ${point.depth} layers squared gradients change by a factor of ${short(gradient, 3)}.`;
  const rate = point.chi_1 === null ? (point.chi_1_reason ?? "") : `squared gradients are multiplied by ${short(point.chi_1)} per layer.`;
  const bias = BIASES[point.prejudice] ?? point.prejudice_reason ?? "";
  const share = point.guess ? ` First guess: the favoured of ${point.guess.classes} classes gets ${(100 * point.guess.largest_share).toFixed(1)} % of the inputs (${(100 * point.guess.neutral_share).toFixed(1)} % would be neutral).` : "";
  return { tone, name, text: `${rate}${multiplied} In the limit ${bias}.${share}` };
}

const LIMITS = [
  ["variance q*", "q_star"],
  ["slope at q*", "q_slope"],
  ["χ₁", "chi_1"],
  ["correlation c*", "c_star"],
  ["drift ratio γ*", "gamma_star"],
  ["depth scale of gradients", "gradient_depth_scale"],
  ["depth scale of correlations", "depth_scale_c"],
];

function shown(point, name) {
  return point[name] === null ? `– (${point[`${name}_reason`]})` : short(point[name]);
}

function compare() {
  $("compared").hidden = !others.length;
  if (!others.length) {
    $("compared").replaceChildren();
    return;
  }
  const all = [current, ...others];
  const head = ["", "setting", "phase", "χ₁", "c*", "γ at the logits", "largest share", ""];
  const rows = all.map(({ setting: one, point }, i) => {
    const cells = [
      html("td", {}, html("span", { class: `swatch k${i}`, role: "img", "aria-label": `colour ${i + 1}` })),
      html("th", { scope: "row" }, i ? title(one) : `now: ${title(one)}`),
      ...[point.phase?.replaceAll("_", " ") ?? "–", short(point.chi_1), short(point.c_star), short(point.guess?.gamma), short(point.guess?.largest_share)].map((text) => html("td", {}, text)),
    ];
    const last = html("td");
    if (i) {
      const back = html("button", { type: "button", class: "small", "aria-label": `Go to ${title(one)}` }, "go");
      back.addEventListener("click", () => load({ setting: one, ends, kept }));
      const drop = html("button", { type: "button", class: "small", "aria-label": `Remove ${title(one)}` }, "×");
      drop.addEventListener("click", () => {
        kept = kept.filter((_, at) => at !== i - 1);
        remember();
        askOthers();
      });
      last.append(back, " ", drop);
    }
    return html("tr", {}, [...cells, last]);
  });
  $("compared").replaceChildren(html("table", {}, [html("thead", {}, html("tr", {}, head.map((text) => html("th", { scope: "col" }, text)))), html("tbody", {}, rows)]));
}

const same = (a, b) => ["activation", "pool", "classes", "input_correlation", "depth", "weight_variance", "bias_variance", "width"].every((name) => a[name] === b[name]);

/** What was measured at the setting that is shown. */
const found = () => (measured && same(measured.setting, current.setting) ? measured.values : null);

function figure(name, caption, svg) {
  svg.setAttribute("data-name", name);
  return html("figure", {}, [html("figcaption", {}, [html("b", {}, name), ` ${caption}`]), svg]);
}

function profiles() {
  const all = [current, ...others];
  const deepest = Math.max(2, ...all.map(({ point }) => point.depth));
  const of = (column) => all.map(({ point }, index) => ({ index, x: point.layers.q.map((_, i) => i + 1), y: point.layers[column] ?? [] }));
  const values = found();
  const chart = (column, name, caption, options) => {
    const series = of(column).filter((one) => one.y.length);
    const theory = measured?.report && values ? measured.report.prediction.layers : null;
    if (theory) series.push({ index: 0, kind: "on-data", x: theory.map((layer) => layer.index), y: theory.map((layer) => layer[column]) });
    const usable = (point) => !options.log || point.y > 0;
    return figure(name, caption, lines({ name, xLabel: "layer", series, points: points(values?.layers[column]).filter(usable), xEnds: [1, deepest], ...options }));
  };
  const spread = all.flatMap(({ point }) => point.layers.q.filter((q) => q > 0));
  const wide = spread.length > 0 && Math.max(...spread) > 30 * Math.min(...spread);
  return [
    chart("q", "Variance q", "mean square pre-activation", { log: wide }),
    chart("c", "Correlation c", "of two inputs", { ends: [0, 1] }),
    chart("gamma", "Drift ratio γ", "common offset over spread; above 1: prejudice", { log: true, level: 1 }),
    chart("gradient", "Gradient", "mean square relative to the logits", { log: true, level: 1 }),
  ];
}

function guesses() {
  const all = [current, ...others].map(({ point }, index) => ({ index, guess: point.guess })).filter(({ guess }) => guess);
  const values = found();
  const laws = all.filter(({ guess }) => guess.law).map(({ index, guess }) => ({ index, x: guess.law.g, y: guess.law.density, area: index === 0 }));
  const tallest = Math.max(1.5, ...laws.flatMap((one) => one.y.filter((value) => value !== null).map((value) => Math.min(value, 6))));
  const clipped = laws.map((one) => ({ ...one, y: one.y.map((value) => (value === null ? null : Math.min(value, tallest))) }));
  const reason = all[0]?.guess.law_reason;
  const shares = all.filter(({ guess }) => guess.ordered_shares).map(({ index, guess }) => ({ index, y: guess.ordered_shares }));
  const dots = points(values?.ordered_shares).map(({ y, error }) => ({ y, error }));
  return [
    figure("Law of G₀", reason ?? "share of inputs that class 0 wins against class 1, over networks", lines({ name: "Law of G₀", xLabel: "share", series: clipped, xEnds: [0, 1], ends: [0, tallest] })),
    figure("Class shares", shares.length ? "mean share by rank; dashed: balanced" : "being computed …", bars({ name: "Class shares", xLabel: "rank", series: shares, points: dots, level: all[0]?.guess.neutral_share ?? null })),
  ];
}

function draw(settled) {
  const { point } = current;
  const { tone, name, text } = verdict(point);
  $("verdict").replaceChildren(html("span", { class: tone }, `${name}: `), text);
  if (settled) $("verdict-live").textContent = `${name}: ${text}`;
  $("limits").replaceChildren(...LIMITS.flatMap(([label, key]) => [html("dt", {}, label), html("dd", {}, shown(point, key))]));
  compare();
  $("charts").replaceChildren(...profiles(), ...guesses());
  $("pin").disabled = kept.length >= MOST_KEPT;
}

// ---- Ensembles

const ensemble = new Runner({ run: $("run"), stop: $("cancel"), bar: $("progress"), status: $("ensemble-status"), alert: $("ensemble-error") });
const checking = new Runner({ run: $("check"), stop: $("check-cancel"), bar: $("report-progress"), status: $("report-status"), alert: $("report-error") });

function saveReport(report) {
  save(`${report.name}.json`, "application/json", `${JSON.stringify(report, null, 2)}\n`);
}

$("ensemble").addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!event.target.reportValidity()) return;
  const belongs = { ...setting };
  const order = { setting: { ...belongs, pool: belongs.pool || null }, data: $("data").value, draws: Number($("draws").value), samples: Number($("samples").value), seed: Number($("seed").value) };
  $("ensemble-result").replaceChildren();
  measured = null;
  const job = await ensemble.start(order, (values) => {
    measured = { setting: belongs, values };
    if (current) draw(false);
  });
  if (!job) return;
  measured = { setting: belongs, values: job.measured, report: job.report };
  $("ensemble-status").textContent = `${job.measured.draws} networks measured on ${job.measured.examples} inputs. Dots in the charts: measured, ± two standard errors; dashed grey: theory for these very inputs.`;
  if (current) draw(false);
  const share = job.measured.largest_share_histogram;
  const law = html("div", { class: "grid one" }, figure("Largest share", "of the inputs, over the networks; the line: their mean", histogram({ name: "Largest share", xLabel: "share", counts: share, marker: job.measured.largest_share.value })));
  const verdicts = html("div");
  showReport(verdicts, job, saveReport);
  $("ensemble-result").replaceChildren(law, verdicts);
  offerPictures();
});

$("report").addEventListener("submit", async (event) => {
  event.preventDefault();
  const [spec, data] = [$("spec-file").files[0], $("data-file").files[0]];
  $("report-result").replaceChildren();
  $("report-status").textContent = "";
  if (!spec) {
    checking.fail(new Error("Choose a spec file or an ONNX model first."));
    return;
  }
  try {
    if (data && data.size > vocabulary.limits.upload_bytes) throw new Error(`${data.name} is larger than the ${vocabulary.limits.upload_bytes >> 20} MiB that the explorer takes.`);
    const model = spec.name.toLowerCase().endsWith(".onnx");
    const most = model ? vocabulary.limits.upload_bytes : vocabulary.limits.json_bytes / 2;
    if (spec.size > most) throw new Error(`${spec.name} is larger than the ${most >> 20} MiB that the explorer takes.`);
    const order = model ? { model: (await upload(spec)).id } : { spec: await spec.text() };
    if (data) {
      $("report-status").textContent = `Reading ${data.name} …`;
      const summary = await upload(data);
      $("report-status").textContent = `${summary.examples} inputs of ${summary.name}.`;
      offerData(summary);
      order.data = summary.id;
    }
    const job = await checking.start(order);
    if (!job) return;
    $("report-status").textContent = "Done.";
    showReport($("report-result"), job, saveReport);
  } catch (error) {
    checking.fail(error);
  }
});

function offerData({ id, name, examples }) {
  $("data").append(html("option", { value: id }, `${name} (${examples} inputs, uploaded)`));
}

// ---- Files

function offerPictures() {
  const names = [...document.querySelectorAll("svg[data-name]")].map((svg) => svg.dataset.name);
  const chosen = $("picture").value;
  $("picture").replaceChildren(...names.map((name) => html("option", {}, name)));
  if (names.includes(chosen)) $("picture").value = chosen;
}

function exporting(id, action) {
  $(id).addEventListener("click", async () => {
    $("export-status").textContent = "";
    $("export-error").textContent = "";
    try {
      if (!current) throw new Error("There is nothing to save yet.");
      $("export-status").textContent = `Saved ${await action()}.`;
    } catch (error) {
      $("export-error").textContent = error.text ?? error.message;
    }
  });
}

exporting("save-svg", () => {
  const name = $("picture").value;
  const svg = [...document.querySelectorAll("svg[data-name]")].find((one) => one.dataset.name === name);
  const file = `${name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/-$/, "")}.svg`;
  save(file, "image/svg+xml", picture(svg));
  return file;
});
exporting("save-csv", () => {
  const rows = [current, ...others].map(({ setting: one, point }, i) => ({ title: title(one), point, measured: i ? null : found() }));
  save("firstguess.csv", "text/csv", table(rows));
  return "firstguess.csv";
});
exporting("save-json", () => {
  const all = { settings: [current, ...others], measured: found() };
  save("firstguess.json", "application/json", `${JSON.stringify(all, null, 2)}\n`);
  return "firstguess.json";
});
exporting("save-toml", async () => {
  const { toml } = await get("/api/spec", current.setting);
  save("firstguess.toml", "application/toml", toml);
  return "firstguess.toml";
});

// ---- Beginning

function load(state) {
  ({ setting, ends, kept } = state);
  fill();
  drawDiagram();
  diagram.place(setting.weight_variance, setting.bias_variance);
  askOthers();
  refresh();
}

let typing = 0;
$("setting").addEventListener("input", (event) => {
  if (event.target.id === "activation") {
    if (event.target.value) $("expression").value = event.target.value;
    else $("expression").focus();
  }
  $("pool-size").disabled = !$("pool").value;
  read();
  describe();
  const known = vocabulary.activations.some((one) => one.call === setting.activation);
  $("activation").value = known ? setting.activation : "";
  clearTimeout(typing);
  document.body.dataset.busy = "true";
  // Half-typed words are not asked about.
  const pause = event.target.id === "expression" ? 300 : 0;
  typing = setTimeout(() => {
    drawDiagram();
    diagram.place(setting.weight_variance || 0, setting.bias_variance || 0);
    refresh();
  }, pause);
});
$("setting").addEventListener("submit", (event) => event.preventDefault());
for (const [id, name] of [["weight-end", "weight"], ["bias-end", "bias"]]) {
  $(id).addEventListener("change", () => {
    const value = Number($(id).value);
    if (value > 0 && value <= 1000) ends = { ...ends, [name]: value };
    $(id).value = ends[name];
    drawDiagram();
    remember();
  });
}
$("pin").addEventListener("click", () => {
  if (!current || kept.length >= MOST_KEPT) return;
  kept = [...kept, { ...current.setting }];
  remember();
  askOthers();
});
$("permalink").addEventListener("click", async () => {
  history.replaceState(null, "", toHash({ setting, ends, kept }));
  try {
    await navigator.clipboard.writeText(location.href);
    $("permalink").textContent = "Copied";
  } catch {
    $("permalink").textContent = "It is in the address bar";
  }
  setTimeout(() => ($("permalink").textContent = "Copy link"), 1500);
});

function setTheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  $("theme").setAttribute("aria-pressed", String(dark));
}
const preferred = matchMedia("(prefers-color-scheme: dark)");
setTheme(preferred.matches);
preferred.addEventListener("change", () => setTheme(preferred.matches));
$("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme !== "dark"));
addEventListener("hashchange", () => load(fromHash(location.hash)));

try {
  vocabulary = await get("/api/vocabulary");
  $("activation").replaceChildren(...vocabulary.activations.map((one) => html("option", { value: one.call }, one.call)), html("option", { value: "" }, "expression in x …"));
  $("data").replaceChildren(html("option", { value: "gaussian" }, "Gaussian"), ...vocabulary.data.map((name) => html("option", {}, name)));
  for (const name of NUMBERS) {
    $(name).min = vocabulary.limits[name][0];
    $(name).max = vocabulary.limits[name][1];
  }
  $("draws").max = vocabulary.limits.draws[1];
  $("samples").max = vocabulary.limits.samples[1];
  load({ setting, ends, kept });
  offerPictures();
  $("picture").addEventListener("focus", offerPictures);
} catch (error) {
  complain(error);
}
