// A report as a page: the verdict first, then the findings, then layer by layer.

import { html } from "./charts.js";
import { short } from "./setting.js";

const MARKS = { error: "✗ error", warning: "! warning", note: "· note" };

function estimate(value) {
  if (!value || value.value === null || value.value === undefined) return "–";
  return value.std_error ? `${short(value.value)} ± ${short(value.std_error, 2)}` : short(value.value);
}

function finding(one) {
  const parts = [html("h4", {}, `${MARKS[one.severity] ?? one.severity}: ${one.id}`), html("p", {}, html("b", {}, `${one.title}.`)), html("p", {}, one.explanation)];
  if (one.evidence.length) {
    const rows = one.evidence.map((line) => html("tr", {}, [html("td", {}, line.quantity), html("td", {}, line.predicted === undefined ? "–" : short(line.predicted)), html("td", {}, estimate(line.measured))]));
    const head = html("thead", {}, html("tr", {}, ["", "theory", "measured ± standard error"].map((text) => html("th", { scope: "col" }, text))));
    parts.push(html("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Evidence for ${one.id}` }, html("table", {}, [head, html("tbody", {}, rows)])));
  }
  if (one.remedy) parts.push(html("p", {}, ["→ ", html("code", {}, one.remedy)]));
  if (one.references.length) parts.push(html("p", { class: "hint" }, `References: ${one.references.join(", ")} (firstguess cite KEY).`));
  return html("article", { class: `finding ${one.severity}` }, parts);
}

/** A dozen layers of many. */
function some(count) {
  if (count <= 14) return Array.from({ length: count }, (_, i) => i);
  const all = Array.from({ length: 13 }, (_, i) => Math.round((i * (count - 1)) / 12));
  return [...new Set(all)];
}

function layers(report) {
  const [predicted, measured] = [report.prediction.layers, report.measurement.layers];
  if (!measured.length) return "";
  const head = ["layer", "q theory", "q measured", "γ theory", "γ measured", "gradient theory", "gradient measured"];
  const rows = some(measured.length).map((i) => {
    const theory = predicted[i] ?? {};
    const found = measured[i];
    const cells = [String(found.index), short(theory.q), estimate(found.q), short(theory.gamma), estimate(found.gamma), short(theory.gradient), estimate(found.cotangent_gradient)];
    return html("tr", {}, cells.map((text) => html("td", {}, text)));
  });
  const table = html("table", {}, [
    html("caption", {}, "Each layer with weights: mean square signal, drift ratio, gradient relative to the logits; ± one standard error"),
    html("thead", {}, html("tr", {}, head.map((text) => html("th", { scope: "col" }, text)))),
    html("tbody", {}, rows),
  ]);
  return html("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Layers" }, table);
}

/** Fills `holder` with the report of a finished ensemble; `save` offers it as a file. */
export function show(holder, { id, report }, save) {
  const tone = { error: "bad", warning: "fair", fine: "good" }[report.verdict.status] ?? "fair";
  const status = { error: "NOT OK", warning: "CHECK", fine: "OK" }[report.verdict.status] ?? report.verdict.status;
  const facts = [
    ["network", `${report.network.layers} (${report.network.parameters.toLocaleString("en")} parameters)`],
    ["init", report.network.init],
    ["data", `${report.data.examples} inputs of ${report.data.name}`],
    ["measured", `${report.measurement.draws} networks, seed ${report.seed}`],
    ["largest share", `${estimate(report.measurement.prejudice.largest_share)} of the inputs go to each network's favoured class`],
  ];
  const button = html("button", { type: "button", class: "small" }, "Save report (JSON)");
  const page = `/api/ensembles/${id}/report.html`;
  button.addEventListener("click", () => save(report));
  holder.replaceChildren(
    html("h3", {}, [`${report.name}: `, html("span", { class: tone }, status)]),
    html("p", {}, report.verdict.headline),
    html("dl", {}, facts.flatMap(([name, text]) => [html("dt", {}, name), html("dd", {}, text)])),
    html("div", { class: "tools" }, [
      html("a", { href: page, target: "_blank", rel: "noopener" }, "Open the whole report"),
      html("a", { href: page, download: `${report.name}.html` }, "Save it (HTML)"),
      button,
    ]),
    ...report.findings.map(finding),
    layers(report),
  );
}
