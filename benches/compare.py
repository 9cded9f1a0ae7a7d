#!/usr/bin/env python3
"""The command line against straightforward programs that do the same job, in one run.

Usage, from the root of the repository after `cargo build --release`: python3 benches/compare.py
Needs NumPy and SciPy; PyTorch where it is installed. FIRSTGUESS names another binary, RUNS another number of alternating runs
(3 unless said), of which the best counts. Prints wall time and processor time, user and system, over all threads, and ratios
peer / firstguess. Where other programs compete for the machine only the processor times compare anything.
"""
import gzip
import os
import pathlib
import platform
import resource
import subprocess
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = os.environ.get("FIRSTGUESS", ROOT / "target" / "release" / "firstguess")
DRAWS, INPUTS, WIDTH, HIDDEN, CLASSES = 32, 500, 256, 20, 10
RUNS = int(os.environ.get("RUNS", "3"))


def digits():
    with gzip.open(ROOT / "crates/firstguess-io/data/digits.csv.gz", "rt") as file:
        table = np.loadtxt(file, delimiter=",", dtype=np.float32)
    x, y = table[:INPUTS, :64], table[:INPUTS, 64].astype(int)
    spread = x.std(axis=0)
    return ((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)).astype(np.float32), y


def numpy_ensemble():
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


def torch_ensemble(torch):
    """The same as a person would write it with PyTorch: a Sequential, hooks, autograd."""
    from torch import nn

    x, y = digits()
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    torch.manual_seed(0)
    sizes = [64] + [WIDTH] * HIDDEN + [CLASSES]
    for _ in range(DRAWS):
        layers, dense = [], []
        for i, o in zip(sizes, sizes[1:]):
            layer = nn.Linear(i, o)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
            dense.append(layer)
            layers += [layer, nn.ReLU()]
        net = nn.Sequential(*layers[:-1])
        pre = []
        hooks = [layer.register_forward_hook(lambda module, inputs, output: pre.append(output)) for layer in dense]
        logits = net(x)
        for h in pre:
            with torch.no_grad():
                h.var(dim=0).mean(), (h.mean(dim=0) ** 2).mean(), (h * h).mean()
        torch.bincount(logits.argmax(dim=1), minlength=CLASSES)
        loss = nn.functional.cross_entropy(logits, y, reduction="sum")
        for target in (loss, (logits * torch.randn_like(logits)).sum()):
            for g in torch.autograd.grad(target, pre, retain_graph=True):
                (g * g).sum(dim=1).mean().item()
        for hook in hooks:
            hook.remove()


def scipy_critical():
    """The edge of chaos of tanh at bias variance 0.05 and its neutrality point: quadrature and a root search."""
    from scipy.integrate import dblquad, quad
    from scipy.optimize import brentq

    density = lambda z: np.exp(-z * z / 2) / np.sqrt(2 * np.pi)
    second = lambda q: quad(lambda z: density(z) * np.tanh(np.sqrt(q) * z) ** 2, -10, 10)[0]
    slope = lambda q: quad(lambda z: density(z) / np.cosh(np.sqrt(q) * z) ** 4, -10, 10)[0]
    brentq(lambda q: q - second(q) / slope(q) - 0.05, 0.05, 5)

    def excess(q):
        root, c = np.sqrt(q), 0.5
        inner = lambda b, a: density(a) * density(b) * np.tanh(root * a) * np.tanh(root * (c * a + np.sqrt(1 - c * c) * b))
        kernel = dblquad(inner, -7, 7, -7, 7, epsabs=1e-8)[0]
        return ((q - 0.05) / second(q) * kernel + 0.05) / q - 0.5

    brentq(excess, 0.2, 5, xtol=1e-8)


def ours(*arguments):
    return lambda: subprocess.run([BINARY, *arguments, "--json", "--quiet"], check=True, stdout=subprocess.DEVNULL)


def processor_time():
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def seconds(job):
    wall, processor = time.perf_counter(), processor_time()
    job()
    return time.perf_counter() - wall, processor_time() - processor


def compare(what, job, peers, runs=RUNS):
    best = {}
    for _ in range(runs):
        for name, work in [("firstguess", job), *peers]:
            times = seconds(work)
            best[name] = tuple(map(min, best.get(name, times), times))
    wall, processor = best.pop("firstguess")
    print(f"{what}: firstguess {wall:.3f} s, {processor:.3f} s of processor")
    for name, (of_peer, processor_of_peer) in best.items():
        print(
            f"  {name}: {of_peer:.3f} s, {processor_of_peer:.3f} s of processor; "
            f"ratio {of_peer / wall:.1f}, {processor_of_peer / processor:.1f}",
            flush=True,
        )


def main():
    cpu = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    print(f"{cpu[0]}, {len(cpu)} cores, load {os.getloadavg()[0]:.1f}; Python {platform.python_version()}, NumPy {np.__version__}")
    peers = [(f"NumPy {np.__version__}", numpy_ensemble)]
    try:
        import torch

        peers.append((f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads", lambda: torch_ensemble(torch)))
    except ImportError:
        print("PyTorch is not installed: left out")
    compare("check, embedded example", ours("check"), peers)
    try:
        import scipy

        call = ours("critical", "--activation", "tanh", "--bias-variance", "0.05")
        compare("critical, tanh (a whole process)", call, [(f"SciPy {scipy.__version__} (in process)", scipy_critical)], runs=1)
    except ImportError:
        print("SciPy is not installed: left out")


if __name__ == "__main__":
    main()
