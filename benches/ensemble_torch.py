#!/usr/bin/env python3
"""The benches of crates/firstguess/benches/ensemble.rs against PyTorch drawing the weights, in one run.

Usage, from the root of the repository: python3 benches/ensemble_torch.py
Needs PyTorch 2 and NumPy. Ours and theirs alternate, round after round; each figure is the best of all rounds. PyTorch runs
with two threads in each operation and as two processes with one each; the ratio is to the better.
"""
import gzip
import multiprocessing
import os
import pathlib
import re
import subprocess
import tempfile
import time

import numpy as np
import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROUNDS = 3
UNITS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}


def digits():
    with gzip.open(ROOT / "crates/firstguess-io/data/digits.csv.gz", "rt") as file:
        x = np.loadtxt(file, delimiter=",", dtype=np.float32)[:, :64]
    spread = x.std(axis=0)
    return ((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)).astype(np.float32)[:128]


@torch.no_grad()
def shares(x, depth, draws):
    """He-ReLU networks of width 1024: how often each class has the largest logit."""
    sizes = [x.shape[1]] + [1024] * (depth - 1) + [10]
    weights = [torch.empty(i, o) for i, o in zip(sizes, sizes[1:])]
    buffers = [torch.empty(x.shape[0], o) for o in sizes[1:]]
    counts = torch.zeros(draws, 10)
    for draw in range(draws):
        source = x
        for weight, out in zip(weights, buffers):
            weight.normal_(0, (2 / weight.shape[0]) ** 0.5)
            torch.mm(source, weight, out=out)
            source = out.relu_() if out is not buffers[-1] else out
        counts[draw] = torch.bincount(source.argmax(1), minlength=10)
    return counts


def _worker(ready, go, done, x, depth, draws):
    torch.set_num_threads(1)
    x = torch.from_numpy(x)
    shares(x, depth, 1)
    ready.release()
    go.wait()
    shares(x, depth, draws)
    done.release()


def two_processes(x, depth, draws):
    context = multiprocessing.get_context("spawn")
    ready, done, go = context.Semaphore(0), context.Semaphore(0), context.Event()
    workers = [context.Process(target=_worker, args=(ready, go, done, x, depth, draws // 2)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for _ in workers:
        ready.acquire()
    start = time.perf_counter()
    go.set()
    for _ in workers:
        done.acquire()
    elapsed = time.perf_counter() - start
    for worker in workers:
        worker.join()
    return elapsed


def two_threads(x, depth, draws):
    torch.set_num_threads(2)
    x = torch.from_numpy(x)
    shares(x, depth, 1)
    start = time.perf_counter()
    shares(x, depth, draws)
    return time.perf_counter() - start


def ours(name, environment):
    command = ["cargo", "bench", "-q", "-p", "firstguess", "--bench", "ensemble", "--", name]
    text = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True).stdout
    found = re.search(rf"{name}\s+([0-9.]+) (ns|µs|ms|s)", text)
    if found is None:
        raise SystemExit(f"no figure for {name} in:\n{text}")
    return float(found[1]) * UNITS[found[2]]


def main():
    x64 = np.random.default_rng(0).standard_normal((64, 1024), dtype=np.float32)
    x128 = digits()
    with tempfile.NamedTemporaryFile() as file:
        file.write(x128.tobytes())
        file.flush()
        environment = {**os.environ, "FIRSTGUESS_BENCH_DIGITS": file.name}
        jobs = [
            ("without_weights_64", x64, 20, 32, 1),
            ("with_weights_64", x64, 20, 32, 1),
            # A tenth of the networks is enough to time PyTorch.
            ("shares_of_128_digits", x128, 10, 100, 10),
        ]
        print(f"PyTorch {torch.__version__}; load {os.getloadavg()[0]:.1f}")
        for name, x, depth, draws, times in jobs:
            best = {"ours": float("inf"), "threads": float("inf"), "processes": float("inf")}
            for _ in range(ROUNDS):
                best["ours"] = min(best["ours"], ours(name, environment))
                best["threads"] = min(best["threads"], times * two_threads(x, depth, draws))
                best["processes"] = min(best["processes"], times * two_processes(x, depth, draws))
            theirs = min(best["threads"], best["processes"])
            figures = ", ".join(f"{key} {value:.3f} s" for key, value in best.items())
            print(f"{name}: {figures}; ratio {theirs / best['ours']:.1f}; load {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    main()
