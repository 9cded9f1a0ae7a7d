"""A sweep on a real Dask cluster of separate processes, through the death of a worker and of the driver."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest

import firstguess as fg

distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install 'dask[distributed]'")

#: 2 000 points with FIRSTGUESS_LONG, a quarter of it otherwise.
COUNT = 50 if os.environ.get("FIRSTGUESS_LONG") else 25
GRID: Dict[str, Any] = {
    "command": "predict",
    "chunk": 10,
    "grid": {
        "activation": ["x*tanh(log(1+exp(x)))", "sin(x)*exp(-x^2)"],
        "bias_variance": {"start": 0.01, "stop": 0.5, "num": 20 if COUNT == 50 else 10},
        "weight_variance": {"start": 0.5, "stop": 3.0, "num": COUNT},
        "depth": 5,
    },
}
DRIVER = """
import sys
import firstguess as fg
from distributed import Client
from test_sweep_dask import GRID
result = fg.sweep(GRID, Client(sys.argv[1]), sys.argv[2])
print(result.computed, result.done, result.failed)
"""


class Cluster:
    """A scheduler and workers, each a process, on loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        self.processes: List["subprocess.Popen[bytes]"] = []
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(self.file))
        until(self.file.exists)

    def _start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        with open(self.folder / "log.txt", "ab") as log:
            process = subprocess.Popen([sys.executable, "-m", "dask", *arguments], stdout=log, stderr=log, cwd=self.folder)
        self.processes.append(process)
        return process

    def worker(self) -> "subprocess.Popen[bytes]":
        return self._start("worker", "--scheduler-file", str(self.file), "--nthreads", "1", "--no-nanny", "--no-dashboard")

    def close(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    started = Cluster(tmp_path)
    try:
        yield started
    finally:
        started.close()


def until(what: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def chunks(folder: Path) -> Dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("chunks/chunk-*.parquet")}


def test_a_killed_worker_and_a_killed_driver_lose_nothing(tmp_path: Path, cluster: Cluster) -> None:
    first, second = cluster.worker(), cluster.worker()
    out = tmp_path / "out"
    (tmp_path / "driver.py").write_text(DRIVER)
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}

    def driver() -> "subprocess.Popen[str]":
        with distributed.Client(scheduler_file=str(cluster.file)) as client:
            address = client.scheduler.address
        command = [sys.executable, str(tmp_path / "driver.py"), address, str(out)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    total = 2 * GRID["grid"]["bias_variance"]["num"] * COUNT // 10
    running = driver()
    # Workers always have a task: one that is killed is in the middle of it.
    until(lambda: len(chunks(out)) >= total // 5)
    first.send_signal(signal.SIGKILL)
    first.wait()
    at_kill = len(chunks(out))
    until(lambda: len(chunks(out)) >= total // 2)
    assert at_kill < total // 2
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert len(chunks(out)) < total
    third = cluster.worker()
    again = driver()
    said, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    computed, done, failed = map(int, said.split())
    assert (done, failed) == (10 * total, 0) and computed < done
    assert third.poll() is None and second.poll() is None
    # Every point once, in the bytes of a serial run.
    with ThreadPoolExecutor(1) as serial:
        fg.sweep(GRID, serial, tmp_path / "serial")
    assert chunks(out) == chunks(tmp_path / "serial")
    points = fg.load(out, frame="numpy", columns=["point", "key"])
    assert list(points["point"]) == list(range(10 * total))
    assert len(set(points["key"])) == 10 * total
    assert not list(out.glob("chunks/.firstguess-*"))


def test_clients_and_their_executors(tmp_path: Path) -> None:
    grid = {"command": "guess", "chunk": 2, "grid": {"gamma": [0.1, 1.0, 10.0], "classes": [2, 3]}}
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
    ) as local, distributed.Client(local) as client:
        seen: List[int] = []
        assert fg.sweep(grid, client, tmp_path / "client", progress=lambda now: seen.append(now.done)).complete
        assert seen[-1] == 6
        assert fg.sweep(grid, client.get_executor(), tmp_path / "executor").complete
    assert chunks(tmp_path / "client") == chunks(tmp_path / "executor")
