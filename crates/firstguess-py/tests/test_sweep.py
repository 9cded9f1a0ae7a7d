"""Sweeps from Python: any executor, any folder, the same bytes."""

from __future__ import annotations

import json
import subprocess
import time
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Callable, Dict, List

import numpy as np
import pytest

import firstguess as fg

GRID: Dict[str, Any] = {
    "command": "phase-point",
    "chunk": 3,
    "grid": {
        "activation": ["tanh", "relu"],
        "bias_variance": {"start": 1e-3, "stop": 0.5, "num": 3, "scale": "log"},
        "weight_variance": np.linspace(0.5, 3.0, 5),
    },
}


def files(folder: Path) -> Dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in [*folder.glob("*"), *folder.glob("chunks/*")]
        if path.is_file() and not path.name.startswith(".lock")
    }


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Dict[str, bytes]:
    folder = tmp_path_factory.mktemp("reference")
    with ThreadPoolExecutor(1) as serial:
        result = fg.sweep(GRID, serial, folder)
    assert (result.points, result.done, result.failed, result.complete) == (30, 30, 0, True)
    return files(folder)


class Polled:
    """A job as submitit's: asked, not heard."""

    def __init__(self, future: "Future[Any]") -> None:
        self._future = future

    def done(self) -> bool:
        return self._future.done()

    def result(self) -> Any:
        return self._future.result()


class PollingExecutor:
    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(2)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Polled:
        return Polled(self._pool.submit(function, *arguments))


def test_threads_processes_and_polled_jobs_write_the_same_bytes(tmp_path: Path, reference: Dict[str, bytes]) -> None:
    assert fg.sweep(GRID, out=tmp_path / "threads", workers=2).complete
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        assert fg.sweep(GRID, processes, tmp_path / "processes", chunks_per_task=2).complete
    assert fg.sweep(GRID, PollingExecutor(), tmp_path / "polled").complete
    for name in ("threads", "processes", "polled"):
        assert files(tmp_path / name) == reference, name


def test_the_command_line_writes_the_same_bytes(tmp_path: Path, cli: Any, reference: Dict[str, bytes]) -> None:
    text = (
        'command = "phase-point"\nchunk = 3\n[grid]\nactivation = ["tanh", "relu"]\n'
        'bias_variance = { start = 1e-3, stop = 0.5, num = 3, scale = "log" }\n'
        "weight_variance = [0.5, 1.125, 1.75, 2.375, 3.0]\n"
    )
    (tmp_path / "grid.toml").write_text(text)
    status, answer, _ = cli("sweep", str(tmp_path / "grid.toml"), "-o", str(tmp_path / "out"))
    assert (status, answer["computed"]) == (0, 30)
    assert files(tmp_path / "out") == reference
    assert fg.sweep(tmp_path / "grid.toml", out=tmp_path / "out").computed == 0


def test_progress_stops_and_the_same_call_goes_on(tmp_path: Path, reference: Dict[str, bytes]) -> None:
    seen: List[fg.SweepProgress] = []

    def three(now: fg.SweepProgress) -> bool:
        seen.append(now)
        return now.chunks_done < 3

    class OneByOne:
        """Computes a task when it is submitted, but no more than four."""

        def __init__(self) -> None:
            self.left = 4

        def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
            future: "Future[Any]" = Future()
            if self.left > 0:
                self.left -= 1
                future.set_result(function(*arguments))
            return future

    first = fg.sweep(GRID, OneByOne(), tmp_path / "a", progress=three)
    assert not first.complete and first.computed == 12 and seen[-1].done == first.done
    second = fg.sweep(GRID, out=tmp_path / "a")
    assert second.complete and second.computed == 30 - first.computed
    assert files(tmp_path / "a") == reference


def test_what_workers_cannot_do_is_said(tmp_path: Path) -> None:
    class Dying:
        def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
            future: "Future[Any]" = Future()
            future.set_exception(RuntimeError("the worker was killed"))
            return future

    with pytest.raises(fg.SweepError, match=r"3 attempts: the worker was killed[\s\S]*0 of 30 points are finished"):
        fg.sweep(GRID, Dying(), tmp_path / "a", retries=2)
    with pytest.raises(ValueError, match="is no executor"):
        fg.sweep(GRID, 3, tmp_path / "b")
    with pytest.raises(ValueError, match="did you mean `weight_variance`"):
        fg.sweep({**GRID, "grid": {"weight_varianc": 1}}, out=tmp_path / "b")
    with pytest.raises(ValueError, match="NaN"):
        fg.sweep({**GRID, "grid": {"weight_variance": [float("nan")]}}, out=tmp_path / "b")
    with pytest.raises(OSError, match="another sweep: its `chunk` is 3"):
        fg.sweep({**GRID, "chunk": 4}, out=tmp_path / "a")
    with pytest.raises(OSError, match="holds no sweep"):
        fg.load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="cannot read"):
        fg.sweep(tmp_path / "no.toml", out=tmp_path / "b")


def test_one_driver_at_a_time(tmp_path: Path) -> None:
    def another(now: fg.SweepProgress) -> bool:
        with pytest.raises(OSError, match="in use"):
            fg.sweep(GRID, out=tmp_path)
        return False

    fg.sweep(GRID, out=tmp_path, progress=another)
    assert fg.sweep(GRID, out=tmp_path).complete


def test_load_gives_frames_and_arrays(tmp_path: Path) -> None:
    grid = {"command": "predict", "grid": {"activation": ["relu", "rleu"], "weight_variance": [2, 3], "bias_variance": 0}}
    result = fg.sweep(grid, out=tmp_path)
    assert (result.failed, result.complete) == (2, True)
    arrays = fg.load(tmp_path, frame="numpy")
    assert list(arrays["point"]) == [0, 1, 2, 3] and arrays["point"].dtype == np.int64
    assert list(arrays["status"]) == ["ok", "ok", "failed", "failed"]
    assert np.isinf(arrays["depth_scale_q"][0]) and np.isnan(arrays["chi_1"][2])
    assert arrays["error"][0] is None and "relu" in arrays["error"][2]
    assert len(set(arrays["key"])) == 4
    some = fg.load(tmp_path, frame="numpy", columns=["phase", "chi_1"])
    assert list(some) == ["phase", "chi_1"] and list(some["chi_1"][:2]) == [1.0, 1.5]
    with pytest.raises(ValueError, match="no column `chi`; there are: point, key"):
        fg.load(tmp_path, columns=["chi"])
    pandas = pytest.importorskip("pandas")
    frame = result.load()
    assert isinstance(frame, pandas.DataFrame) and frame.shape[0] == 4
    polars = pytest.importorskip("polars")
    assert fg.load(tmp_path, frame="polars").filter(polars.col("status") == "ok").height == 2


def test_other_programs_read_the_files(tmp_path: Path) -> None:
    grid = {**GRID, "grid": {**GRID["grid"], "activation": ["tanh", "nothing"]}}
    fg.sweep(grid, out=tmp_path)
    pattern = str(tmp_path / "chunks" / "*.parquet")
    ours = fg.load(tmp_path, frame="numpy")
    chi = np.nansum(ours["chi_1"])
    polars = pytest.importorskip("polars")
    frame = polars.scan_parquet(pattern).collect()
    assert frame.height == 30 and frame["chi_1"].sum() == pytest.approx(chi)
    assert frame.filter(polars.col("status") == "failed").height == 15
    dataset = pytest.importorskip("pyarrow.dataset")
    table = dataset.dataset(str(tmp_path / "chunks"), format="parquet").to_table()
    assert table.num_rows == 30 and table.schema.metadata is not None
    notes = table.schema.metadata
    assert notes[b"firstguess.schema_version"] == b"1" and notes[b"firstguess.command"] == b"phase-point"
    assert sorted(table["point"].to_pylist()) == list(range(30))
    duckdb = pytest.importorskip("duckdb")
    answer = duckdb.sql(f"select count(*), sum(chi_1), count(error) from '{pattern}'").fetchall()
    assert answer == [(30, pytest.approx(chi), 15)]


def test_object_stores_by_fsspec(tmp_path: Path, reference: Dict[str, bytes]) -> None:
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    result = fg.sweep(GRID, out="memory://sweeps/a")
    assert result.complete
    found = {path.rsplit("/", 1)[1]: store.cat_file(path) for path in store.find("/sweeps/a")}
    assert {name: found[name] for name in found if name != "sweep.json"} == {
        name: reference[name] for name in reference if name != "sweep.json"
    }
    assert json.loads(found["sweep.json"]) == json.loads(reference["sweep.json"])
    assert fg.sweep(GRID, out="memory://sweeps/a").computed == 0
    with pytest.raises(OSError, match="another sweep"):
        fg.sweep({**GRID, "chunk": 4}, out="memory://sweeps/a")
    frame = fg.load("memory://sweeps/a", frame="numpy")
    assert list(frame["point"]) == list(range(30))
    with pytest.raises(OSError, match="holds no sweep"):
        fg.load("memory://sweeps/nothing")
    # A file system with paths: chunks are moved to their names.
    local = fg.sweep(GRID, out=f"local://{tmp_path}/b")
    assert local.complete and files(tmp_path / "b").keys() == reference.keys()
