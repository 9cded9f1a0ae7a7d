// Ensembles and reports: sent, followed, cancelled. The page has two places that run them; each is a `Runner`.

import { ApiError, cancel, follow, get, post } from "./api.js";

/** One button that runs, one that cancels, a bar, a line of words. */
export class Runner {
  constructor({ run, stop, bar, status, alert }) {
    Object.assign(this, { run, stop, bar, status, alert });
    this.id = null;
    this.stop.addEventListener("click", () => this.cancel());
  }

  get busy() {
    return this.id !== null;
  }

  fail(error) {
    this.alert.textContent = error instanceof ApiError ? error.text : String(error.message ?? error);
    this.status.textContent = "";
  }

  async cancel() {
    if (!this.id) return;
    try {
      await cancel(this.id);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Runs one; `seen` gets the estimates so far. Gives the finished ensemble, or null where there is none. */
  async start(order, seen = () => {}) {
    if (this.busy) return null;
    this.alert.textContent = "";
    this.id = "";
    this.run.disabled = true;
    try {
      const job = await post("/api/ensembles", order);
      this.id = job.id;
      this.stop.disabled = false;
      this.bar.hidden = false;
      this.bar.removeAttribute("value");
      const last = await follow(job.id, (state) => this.show(state, seen));
      if (last.stage === "failed") throw new ApiError(last.error, 200);
      if (last.stage === "cancelled") {
        this.status.textContent = "Cancelled.";
        return null;
      }
      return await get(`/api/ensembles/${job.id}`);
    } catch (error) {
      this.fail(error);
      return null;
    } finally {
      this.id = null;
      this.run.disabled = false;
      this.stop.disabled = true;
      this.bar.hidden = true;
    }
  }

  show(state, seen) {
    if (state.stage === "waiting") {
      this.status.textContent = state.ahead > 0 ? `Waiting: ${state.ahead} ahead.` : "Waiting for its turn.";
    } else if (state.stage === "running") {
      if (state.done > 0) {
        this.bar.max = state.total;
        this.bar.value = state.done;
        this.status.textContent = `${state.done} of ${state.total} networks measured.`;
      } else {
        this.bar.removeAttribute("value");
        this.status.textContent = "Theory on these inputs, then networks …";
      }
    }
    if (state.measured) seen(state.measured);
  }
}

/** A measured column as points over the layers: two standard errors up and down. */
export function points(column) {
  const found = [];
  (column ?? []).forEach((estimate, i) => {
    if (estimate && estimate.value !== null && estimate.value !== undefined) {
      found.push({ x: i + 1, y: estimate.value, error: 2 * (estimate.std_error ?? 0) });
    }
  });
  // Sixty points are as many as can be told apart.
  const step = Math.ceil(found.length / 60);
  return found.filter((_, i) => i % step === 0 || i === found.length - 1);
}
