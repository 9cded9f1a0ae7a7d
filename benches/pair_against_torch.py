#!/usr/bin/env python3
"""The f32 forward pass of gaussian_odd and gaussian_positive against torch.tanh (SLEEF's vector math), in one run.

Usage, from the root of the repository: python3 benches/pair_against_torch.py
Needs torch. One thread each, 65536 normal pre-activations, the best of several blocks, the two programs alternating. Prints
nanoseconds per element and the ratio to torch.tanh.
"""
import re
import subprocess
import time

import torch

ELEMENTS, BLOCKS, ROUNDS = 1 << 16, 200, 3
UNITS = {"ns": 1.0, "µs": 1e3, "ms": 1e6}


def torch_tanh():
    torch.set_num_threads(1)
    x = torch.randn(ELEMENTS)
    y = torch.empty_like(x)
    best = float("inf")
    for _ in range(BLOCKS):
        start = time.perf_counter()
        torch.tanh(x, out=y)
        best = min(best, time.perf_counter() - start)
    return 1e9 * best / ELEMENTS


def ours():
    call = ["cargo", "bench", "-q", "-p", "firstguess", "--bench", "gaussian_pair", "--", "forward"]
    text = subprocess.run(call, check=True, capture_output=True, text=True).stdout
    rows = re.findall(r"([a-z_]+(?:\(\d+\))?)\s+([\d.]+) (ns|µs|ms)\s+│", text)
    return {name: float(fastest) * UNITS[unit] / ELEMENTS for name, fastest, unit in rows}


def main():
    ours()  # builds
    theirs, mine = float("inf"), {}
    for _ in range(ROUNDS):
        theirs = min(theirs, torch_tanh())
        for name, value in ours().items():
            mine[name] = min(value, mine.get(name, float("inf")))
    theirs = min(theirs, torch_tanh())
    print(f"torch {torch.__version__} tanh: {theirs:.3f} ns per element")
    for name, value in mine.items():
        print(f"{name}: {value:.3f} ns per element, {value / theirs:.2f} times torch.tanh")


if __name__ == "__main__":
    main()
