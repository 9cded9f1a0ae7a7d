#!/usr/bin/env python3
"""The command line against a straightforward NumPy program that does the same job, in one run.

Usage, from the root of the repository after `cargo build --release`: python3 benches/compare.py
Needs NumPy. Prints the ratio of wall times (NumPy / firstguess), the best of three runs each, alternating.
"""
import gzip
import pathlib
import subprocess
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = ROOT / "target" / "release" / "firstguess"
DRAWS, INPUTS, WIDTH, HIDDEN, CLASSES = 32, 500, 256, 20, 10


def digits():
    with gzip.open(ROOT / "crates/firstguess-io/data/digits.csv.gz", "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.float32)
    x, y = table[:INPUTS, :64], table[:INPUTS, 64].astype(int)
    spread = x.std(axis=0)
    return ((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)).astype(np.float32), y


def ensemble():
    """He-ReLU networks on the digits: q, V, T and gradients per layer, class shares, loss. No errors, no tests of normality."""
    x, y = digits()
    rng = np.random.default_rng(0)
    sizes = [64] + [WIDTH] * HIDDEN + [CLASSES]
    for _ in range(DRAWS):
        weights = [rng.standard_normal((i, o), dtype=np.float32) * np.float32((2 / i) ** 0.5) for i, o in zip(sizes, sizes[1:])]
        a, pre = x, []
        for w in weights:
            h = a @ w
            pre.append(h)
            h.var(axis=0).mean(), (h.mean(axis=0) ** 2).mean(), (h * h).mean()
            a = np.maximum(h, 0)
        logits = pre[-1]
        np.bincount(logits.argmax(axis=1), minlength=CLASSES)
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(INPUTS), y] -= 1
        for g in (p, rng.standard_normal(p.shape, dtype=np.float32)):
            for w, h in zip(reversed(weights[1:]), reversed(pre[:-1])):
                g = (g @ w.T) * (h > 0)
                (g * g).sum(axis=1).mean()


def ours():
    subprocess.run([BINARY, "check", "--json", "--quiet"], check=True, stdout=subprocess.DEVNULL)


def seconds(job):
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


peers, own = [], []
for _ in range(3):
    peers.append(seconds(ensemble))
    own.append(seconds(ours))
print(f"NumPy {np.__version__}: {min(peers):.2f} s; firstguess check: {min(own):.2f} s; ratio {min(peers) / min(own):.1f}")
