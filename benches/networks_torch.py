#!/usr/bin/env python3
"""The benches of crates/firstguess/benches/networks.rs against PyTorch doing the same jobs, in one run.

Usage, from the root of the repository: python3 benches/networks_torch.py [--rounds N] [JOB ...]
Needs PyTorch 2. Ours and theirs alternate, round after round; each figure is the best of all rounds. PyTorch runs in every
way that could be its best (threads inside an operation, processes side by side, memory layouts), and the ratio is to the best.
"""
import argparse
import json
import multiprocessing
import pathlib
import platform
import re
import subprocess
import time

import torch
import torch.nn.functional as F
from torch import nn

ROOT = pathlib.Path(__file__).resolve().parent.parent
DRAWS, WIDTH, DEPTH, INPUTS = 32, 1024, 20, 1000


def seconds(job, repeats):
    """The fastest of so many runs, after one to warm up."""
    job()
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        job()
        best = min(best, time.perf_counter() - start)
    return best


@torch.no_grad()
def ensemble(draws):
    """He-ReLU networks; weights [in, out] into one buffer, products into buffers that are there."""
    x = torch.randn(INPUTS, WIDTH)
    weight, a, b = torch.empty(WIDTH, WIDTH), torch.empty_like(x), torch.empty_like(x)
    std = (2 / WIDTH) ** 0.5
    for _ in range(draws):
        source = x
        for layer in range(DEPTH):
            weight.normal_(0, std)
            torch.mm(source, weight, out=a)
            if layer + 1 < DEPTH:
                torch.relu_(a)
            a, b = b, a
            source = b


def ensemble_threads(threads):
    torch.set_num_threads(threads)
    ensemble(1)
    start = time.perf_counter()
    ensemble(DRAWS)
    return time.perf_counter() - start


def _worker(ready, go, done, draws):
    torch.set_num_threads(1)
    ensemble(1)
    ready.release()
    go.wait()
    ensemble(draws)
    done.release()


def ensemble_processes():
    """Two processes of one thread each; start-up not counted."""
    context = multiprocessing.get_context("spawn")
    ready, go, done = context.Semaphore(0), context.Event(), context.Semaphore(0)
    workers = [context.Process(target=_worker, args=(ready, go, done, DRAWS // 2)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for _ in workers:
        ready.acquire()
    start = time.perf_counter()
    go.set()
    for _ in workers:
        done.acquire()
    taken = time.perf_counter() - start
    for worker in workers:
        worker.join()
    return taken


def fill_normals(_):
    torch.set_num_threads(1)
    out = torch.empty(4 << 20)
    return seconds(lambda: out.normal_(), 10)


def step_of(model, x, foreach):
    labels = torch.arange(len(x)) % 10
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, foreach=foreach)

    def step():
        optimizer.zero_grad(set_to_none=False)
        F.cross_entropy(model(x), labels).backward()
        optimizer.step()

    return step


def mlp(foreach):
    torch.set_num_threads(1)
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    return seconds(step_of(model, torch.randn(64, 784), foreach), 300)


def cnn(threads, layout):
    torch.set_num_threads(threads)
    model = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 8 * 8, 10),
    ).to(memory_format=layout)
    x = torch.randn(64, 3, 32, 32).to(memory_format=layout)
    return seconds(step_of(model, x, True), 40)


def cnn_job(threads):
    layouts = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}
    return {name: (lambda layout: lambda: cnn(threads, layout))(layout) for name, layout in layouts.items()}


JOBS = {
    "direct_engine 1": {"1 thread": lambda: ensemble_threads(1)},
    "direct_engine 2": {"2 threads": lambda: ensemble_threads(2), "2 processes": ensemble_processes},
    "fill_normals": {"normal_": lambda: fill_normals(None)},
    "mlp_step": {"SGD": lambda: mlp(False), "SGD foreach": lambda: mlp(True)},
    "cnn_step 1": cnn_job(1),
    "cnn_step 2": cnn_job(2),
}

UNITS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}


def bench_program():
    command = ["cargo", "bench", "-p", "firstguess", "--bench", "networks", "--no-run", "--message-format=json"]
    lines = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    messages = [json.loads(line) for line in lines if line.startswith("{")]
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "networks")


def ours(program, job):
    """The fastest sample of one bench, from divan's table."""
    name, _, argument = job.partition(" ")
    pattern = f"{name}::{argument}$" if argument else f"{name}$"
    text = subprocess.run([program, "--bench", pattern], check=True, stdout=subprocess.PIPE, text=True).stdout
    line = next(line for line in text.splitlines() if "│" in line and re.search(r"\d (ns|µs|ms|s)\b", line))
    number, unit = re.search(r"([\d.]+) (ns|µs|ms|s)\b", line).groups()
    return float(number) * UNITS[unit]


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("jobs", nargs="*", metavar="JOB", help=", ".join(JOBS))
    arguments = arguments.parse_args()
    wanted = arguments.jobs or list(JOBS)
    program = bench_program()
    rows = []
    for job in wanted:
        own, peers = float("inf"), {}
        for _ in range(arguments.rounds):
            own = min(own, ours(program, job))
            for name, run in JOBS[job].items():
                peers[name] = min(peers.get(name, float("inf")), run())
        best = min(peers.values())
        theirs = ", ".join(f"{name} {1e3 * value:.4g}" for name, value in peers.items())
        rows.append(f"| {job} | {1e3 * own:.4g} | {theirs} | {best / own:.2f} |")
        print(rows[-1], flush=True)
    print(f"\nPyTorch {torch.__version__}, Python {platform.python_version()}, {processor()}\n")
    print("| job, threads | ours, ms | PyTorch, ms | ratio to its best |\n|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
