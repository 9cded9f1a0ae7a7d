// The API of the server that gave this page.

/** A refusal: what is wrong, and what to try. */
export class ApiError extends Error {
  constructor(error, status) {
    super(error.message);
    this.code = error.code;
    this.field = error.field;
    this.hint = error.hint;
    this.span = error.span;
    this.status = status;
  }

  /** Both sentences. */
  get text() {
    return this.hint ? `${this.message}\n${this.hint}` : this.message;
  }
}

async function answer(response) {
  let value;
  try {
    value = await response.json();
  } catch {
    throw new ApiError({ code: "broken", message: "The server's answer broke off." }, response.status);
  }
  if (value.error && !response.ok) throw new ApiError(value.error, response.status);
  return value;
}

async function ask(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError({ code: "gone", message: "The server cannot be reached. Does `firstguess serve` still run?" }, 0);
  }
  return answer(response);
}

/** GET with a query of the fields that have a value. */
export function get(path, fields = {}, signal = undefined) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) {
    if (value !== "" && value !== null && value !== undefined) query.set(name, value);
  }
  const text = query.toString();
  return ask(text ? `${path}?${text}` : path, { signal });
}

/** POST of JSON. */
export function post(path, value) {
  return ask(path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(value) });
}

/** POST of a file's bytes. */
export function upload(file) {
  const query = new URLSearchParams({ name: file.name });
  const headers = { "content-type": "application/octet-stream" };
  return ask(`/api/uploads?${query}`, { method: "POST", headers, body: file });
}

/** Cancels an ensemble. */
export function cancel(id) {
  return ask(`/api/ensembles/${id}`, { method: "DELETE" });
}

/** Follows an ensemble to its end; `seen` is called with each state. Gives the last one. */
export function follow(id, seen) {
  return new Promise((resolve, reject) => {
    const source = new EventSource(`/api/ensembles/${id}/events`);
    const take = (event) => {
      const state = JSON.parse(event.data);
      seen(state);
      if (["done", "failed", "cancelled"].includes(state.stage)) {
        source.close();
        resolve(state);
      }
    };
    for (const stage of ["waiting", "running", "done", "failed", "cancelled"]) source.addEventListener(stage, take);
    source.addEventListener("error", () => {
      // The browser tries again by itself unless the server refused.
      if (source.readyState === EventSource.CLOSED) {
        reject(new ApiError({ code: "gone", message: "The connection to the ensemble was lost." }, 0));
      }
    });
  });
}
