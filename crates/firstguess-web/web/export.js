// What a person takes along: pictures, tables, the spec.

/** Properties that a picture needs to look the same without this page. */
const STYLE = ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-family", "font-size", "font-weight", "text-anchor"];

/** Hands a text over as a file. */
export function save(name, kind, text) {
  const url = URL.createObjectURL(new Blob([text], { type: kind }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** A chart of the page as an SVG of its own, in the colours that it has now. */
export function picture(svg) {
  const copy = svg.cloneNode(true);
  const [from, to] = [[svg, ...svg.querySelectorAll("*")], [copy, ...copy.querySelectorAll("*")]];
  from.forEach((node, i) => {
    const style = getComputedStyle(node);
    for (const name of STYLE) {
      const value = style.getPropertyValue(name);
      if (value) to[i].setAttribute(name, value);
    }
    for (const name of ["class", "tabindex", "aria-describedby", "data-name", "data-ready"]) to[i].removeAttribute(name);
  });
  const [, , width, height] = svg.getAttribute("viewBox").split(" ");
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("width", width);
  copy.setAttribute("height", height);
  const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  ground.setAttribute("width", "100%");
  ground.setAttribute("height", "100%");
  ground.setAttribute("fill", getComputedStyle(document.querySelector(".panel")).backgroundColor);
  copy.prepend(ground);
  return `${new XMLSerializer().serializeToString(copy)}\n`;
}

const COLUMNS = ["q", "c", "v", "t", "gamma", "gradient"];

function quoted(text) {
  return `"${String(text).replaceAll('"', '""')}"`;
}

/** Every layer of every setting, with what was measured beside the first. */
export function table(rows) {
  const lines = [`setting,layer,${COLUMNS.join(",")},measured_q,measured_q_std_error,measured_c,measured_c_std_error,measured_gamma,measured_gamma_std_error,measured_gradient,measured_gradient_std_error`];
  for (const { title, point, measured } of rows) {
    const layers = point.layers;
    layers.q.forEach((_, i) => {
      const theory = COLUMNS.map((name) => layers[name]?.[i] ?? "");
      const found = ["q", "c", "gamma", "gradient"].flatMap((name) => {
        const one = measured?.layers?.[name]?.[i];
        return [one?.value ?? "", one?.std_error ?? ""];
      });
      lines.push([quoted(title), i + 1, ...theory, ...found].join(","));
    });
  }
  return `${lines.join("\n")}\n`;
}
