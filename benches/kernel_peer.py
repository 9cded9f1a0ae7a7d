#!/usr/bin/env python3
"""The 1000 x 1000 kernel at depth 10: this project's bench against neural-tangents, in one run, one thread each.

Usage, from the root of the repository, with a Python that has the peer (docs/benchmarks.md says how to install it):
    python3 benches/kernel_peer.py
Prints the ratio of wall times (peer / firstguess), the best of the repetitions of each.
"""
import os
import re
import subprocess
import sys
import time
import types

os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

# neural_tangents imports a module of its own that needs TensorFlow; nothing here uses it.
sys.modules["neural_tangents.experimental"] = types.ModuleType("neural_tangents.experimental")
import jax  # noqa: E402
import numpy as np  # noqa: E402

jax.config.update("jax_enable_x64", True)
from neural_tangents import stax  # noqa: E402

INPUTS, FEATURES, DEPTH, WEIGHT, BIAS = 1000, 64, 10, 1.7, 0.1
TO_NANOSECONDS = {"s": 1e9, "ms": 1e6, "µs": 1e3, "ns": 1.0}


def peer(nonlinearity):
    """Seconds of one compiled call, the best of three: compilation is not counted."""
    layers = []
    for _ in range(DEPTH - 1):
        layers += [stax.Dense(64, W_std=WEIGHT**0.5, b_std=BIAS**0.5), nonlinearity]
    layers.append(stax.Dense(10, W_std=WEIGHT**0.5, b_std=BIAS**0.5))
    kernel = jax.jit(lambda x: stax.serial(*layers)[2](x, None, "nngp"))
    x = jax.numpy.asarray(np.random.default_rng(0).uniform(-1, 1, (INPUTS, FEATURES)))
    kernel(x).block_until_ready()
    times = []
    for _ in range(3):
        start = time.perf_counter()
        kernel(x).block_until_ready()
        times.append(time.perf_counter() - start)
    return min(times)


def ours():
    """Seconds of the fastest sample of each bench of the group `kernel`."""
    command = ["cargo", "bench", "-p", "firstguess", "--bench", "kernel", "--", "kernel"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # The file and one of its groups have the same name; other groups have benches of the same names.
    group = re.split(r"^[├╰]─ ", text, flags=re.MULTILINE)
    (lines,) = [part for part in group if part.startswith("kernel ")][1:] or [""]
    return {
        name: float(value) * TO_NANOSECONDS[unit] / 1e9
        for name, value, unit in re.findall(r"(\w+)\s+([\d.]+) (s|ms|µs|ns)\b", lines)
    }


def main():
    own = ours()
    peers = {"relu": stax.Relu()}
    if "--tanh" in sys.argv:
        # No closed form there: minutes.
        peers["tanh"] = stax.ElementwiseNumerical(jax.numpy.tanh, deg=25)
    for name, nonlinearity in peers.items():
        theirs = peer(nonlinearity)
        print(f"{name}: neural-tangents {theirs:.3f} s, firstguess {own[name]:.3f} s, ratio {theirs / own[name]:.1f}")


main()
