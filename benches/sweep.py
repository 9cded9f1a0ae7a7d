"""What a sweep costs beside its points: per point, per chunk, per task; and what a second worker brings.

    python benches/sweep.py target/release/firstguess [--quick]

Needs the Python package, built in the same profile, for the executors; Dask and `distributed` for its cluster (left out where they
are missing). Rows of one table are measured in turn, best of three runs each, the load average beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, Tuple

#: Points of which each costs a millisecond or so: a bounded activation, bias and weight variance, 20 layers.
THEORY = """
command = "predict"
chunk = {chunk}
[grid]
activation = {activations}
bias_variance = {{ start = 0.01, stop = 0.5, num = {rows} }}
weight_variance = {{ start = 0.5, stop = 3.0, num = {columns} }}
"""


def grid(points: int, chunk: int, activations: str = '["tanh", "gelu"]') -> str:
    rows = max(points // 200, 1)
    return THEORY.format(chunk=chunk, rows=rows, columns=points // rows // 2, activations=activations)


def run(program: str, text: str, threads: int) -> Dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "grid.toml")
        path.write_text(text)
        command = [program, "sweep", str(path), "-o", str(Path(folder, "out")), "--json", "--quiet", "--threads", str(threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        answer: Dict[str, Any] = json.loads(done.stdout)
        answer["bytes"] = sum(file.stat().st_size for file in Path(folder, "out", "chunks").glob("*.parquet"))
        return answer


def best(program: str, text: str, threads: int, times: int) -> Dict[str, Any]:
    return min((run(program, text, threads) for _ in range(times)), key=lambda answer: float(answer["seconds"]))


def local(program: str, points: int, times: int) -> None:
    print(f"## Local: {points} points of `predict`, load {os.getloadavg()[0]:.1f}")
    print("| threads | points per chunk | wall, s | in points | overhead per point, ms | bytes per point |")
    print("|---|---|---|---|---|---|")
    for threads in (1, 2):
        for chunk in (10, 100, 500, 2000):
            found = best(program, grid(points, chunk), threads, times)
            wall, inside = found["seconds"], found["computing_seconds"]
            count = found["computed"]
            over = (wall * threads - inside) / count * 1e3
            print(
                f"| {threads} | {chunk} | {wall:.2f} | {inside / wall / threads:.1%} | {over:.3f} | {found['bytes'] / count:.0f} |"
            )


def executors(points: int, chunk: int) -> None:
    import firstguess as fg
    from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
    from multiprocessing import get_context

    def timed(name: str, workers: int, executor: Any, question: Dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            # The workers are up and have imported the package.
            warm = {**question, "grid": {**question["grid"], "weight_variance": [1.0, 2.0]}}
            fg.sweep(warm, executor, Path(folder, "warm"), progress=False)
            start = time.monotonic()
            result = fg.sweep(question, executor, Path(folder, "out"), progress=False)
            wall = time.monotonic() - start
            tasks = -(-result.points // question["chunk"])
            over = (wall * workers - result.computing_seconds) / tasks * 1e3
            print(f"| {name} | {workers} | {tasks} | {wall:.2f} | {result.computing_seconds / wall / workers:.1%} | {over:.1f} |")

    question = {
        "command": "predict",
        "chunk": chunk,
        "grid": {
            "activation": ["tanh", "gelu"],
            "bias_variance": {"start": 0.01, "stop": 0.5, "num": max(points // 200, 1)},
            "weight_variance": {"start": 0.5, "stop": 3.0, "num": 100},
        },
    }
    print(f"\n## Executors: {chunk} points per task, load {os.getloadavg()[0]:.1f}")
    print("| executor | workers | tasks | wall, s | in points | overhead per task, ms |")
    print("|---|---|---|---|---|---|")
    for workers in (1, 2):
        with ThreadPoolExecutor(workers) as threads:
            timed("threads", workers, threads, question)
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as processes:
            timed("processes", workers, processes, question)
        try:
            from distributed import Client, LocalCluster
        except ImportError:
            continue
        with LocalCluster(n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
            with Client(cluster) as client:
                timed("Dask", workers, client, question)


def scheduler(tasks: int) -> Tuple[float, int]:
    """Seconds that a Dask scheduler takes per task that does nothing."""
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
        with Client(cluster) as client:
            futures = client.map(abs, range(100), pure=False)
            client.gather(futures)
            start = time.monotonic()
            pending = [client.submit(abs, number, pure=False) for number in range(tasks)]
            client.gather(pending)
            return (time.monotonic() - start) / tasks, tasks


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("program")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    points = 2000 if options.quick else 10_000
    local(options.program, points, 1 if options.quick else 3)
    sys.stdout.flush()
    executors(points // 2, 50)
    try:
        each, tasks = scheduler(2000)
        print(f"\nDask: {each * 1e3:.2f} ms per empty task over {tasks} tasks on two workers")
    except ImportError:
        pass


if __name__ == "__main__":
    main()
