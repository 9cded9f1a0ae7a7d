// The setting: what the form says, what the address bar keeps.

/** Fields of a setting and what they start with. */
export const START = {
  activation: "tanh",
  pool: "",
  weight_variance: 1.76,
  bias_variance: 0.05,
  depth: 30,
  width: 128,
  classes: 10,
  input_correlation: 0,
};

const WHOLE = ["depth", "width", "classes"];
const REAL = ["weight_variance", "bias_variance", "input_correlation"];

/** Settings that can be kept beside the current one. */
export const MOST_KEPT = 3;

/** As the address bar has it: the setting, the ends of the axes, the settings kept. */
export function fromHash(hash) {
  const query = new URLSearchParams(hash.replace(/^#/, ""));
  const kept = query.getAll("kept").slice(0, MOST_KEPT).map((text) => settingOf(new URLSearchParams(text)));
  const end = (name, otherwise) => {
    const value = Number(query.get(name));
    return Number.isFinite(value) && value > 0 && value <= 1000 ? value : otherwise;
  };
  return { setting: settingOf(query), ends: { weight: end("weight_end", 4), bias: end("bias_end", 0.2) }, kept };
}

function settingOf(query) {
  const setting = { ...START };
  for (const name of ["activation", "pool"]) {
    if (query.has(name)) setting[name] = query.get(name);
  }
  for (const name of [...WHOLE, ...REAL]) {
    // What is no number stays as it is: the server says what is wrong with it.
    if (query.has(name)) setting[name] = Number(query.get(name));
  }
  return setting;
}

/** The address of this very view. */
export function toHash({ setting, ends, kept }) {
  const query = new URLSearchParams(Object.entries(setting).filter(([, value]) => value !== ""));
  query.set("weight_end", ends.weight);
  query.set("bias_end", ends.bias);
  for (const other of kept) {
    query.append("kept", new URLSearchParams(Object.entries(other).filter(([, value]) => value !== "")));
  }
  return `#${query}`;
}

/** One line that tells settings apart. */
export function title(setting) {
  const pool = setting.pool ? ` + ${setting.pool}` : "";
  return `${setting.activation}${pool}, σw² ${short(setting.weight_variance)}, σb² ${short(setting.bias_variance)}, depth ${setting.depth}`;
}

/** A number for people. */
export function short(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e5 || size < 1e-3) return value.toExponential(2).replace("e+", "e");
  return String(Number(value.toPrecision(digits)));
}
