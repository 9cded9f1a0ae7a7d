"""Sweeps over any executor: workers compute chunks and write them, the driver only counts."""

from __future__ import annotations

import json
import os
import queue
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Callable, Dict, Iterator, List, Optional, Set, Tuple, Union

import numpy as np

from . import _core

#: A grid: the path of a grid file, or what such a file holds.
GridLike = Union[str, "os.PathLike[str]", Mapping[str, Any]]

#: Tasks that are with the executor at a time: enough for a thousand workers, few enough for a scheduler.
IN_FLIGHT = 10_000


@dataclass(frozen=True)
class SweepProgress:
    """How far a sweep has come, as its ``progress`` function is told."""

    #: Points that have a row, those of earlier runs among them.
    done: int
    #: Of these, the ones whose row is an error.
    failed: int
    points: int
    chunks_done: int
    chunks: int
    #: Since this run began.
    seconds: float

    @property
    def fraction(self) -> float:
        return self.done / self.points


@dataclass(frozen=True)
class SweepResult:
    """What :func:`firstguess.sweep` came to; the results themselves are in the folder."""

    folder: str
    points: int
    #: Points that have a row.
    done: int
    #: Points whose row is an error.
    failed: int
    #: Points that this run computed.
    computed: int
    seconds: float
    #: Time in the answers, summed over workers.
    computing_seconds: float

    @property
    def complete(self) -> bool:
        return self.done == self.points

    def load(self, **options: Any) -> Any:
        """The results as a frame: see :func:`firstguess.load`."""
        return load(self.folder, **options)


class SweepError(RuntimeError):
    """The workers could not finish. What they finished is kept; the same call goes on with it."""


def sweep(
    grid: GridLike,
    executor: Any = None,
    out: Union[str, "os.PathLike[str]", None] = None,
    *,
    workers: Optional[int] = None,
    chunks_per_task: int = 1,
    retries: int = 3,
    retry_failed: bool = False,
    progress: Union[bool, Callable[[SweepProgress], Any], None] = None,
    storage_options: Optional[Mapping[str, Any]] = None,
) -> SweepResult:
    """Answers every point of a grid, on any executor, into a folder.

    Parameters
    ----------
    grid
        The path of a grid file, or a mapping with what such a file holds.
    executor
        Who computes: anything with ``submit``, such as the executors of ``concurrent.futures``, ``mpi4py.futures`` and
        ``submitit``; or a Dask ``Client``. Threads of this process unless given.
    out
        The folder of the results: a path that all workers see, or a URL for ``fsspec`` (``s3://bucket/sweep``). Chunks that
        are there already are not computed again.
    workers
        Threads, where no executor is given; one per core unless said.
    chunks_per_task
        Chunks that a worker computes per task, for schedulers to which a task is dear.
    retries
        How often a task may end without a result (its worker died, its disk was full) before the sweep gives up.
    retry_failed
        Whether chunks with failed points are computed again.
    progress
        ``True`` for a line on stderr (the default on a terminal), or a function of a :class:`SweepProgress`; where that
        returns ``False`` the sweep ends early, and what is finished is kept.
    storage_options
        For ``fsspec``.

    Raises
    ------
    ValueError
        For a grid that cannot be used, in the command line's words.
    OSError
        For a folder that cannot be used: another sweep is in it or at work in it, it cannot be written, it is not shared.
    SweepError
        Where tasks fail more than ``retries`` times, or the executor broke. The same call goes on with what is finished.

    Examples
    --------
    >>> import tempfile, firstguess as fg
    >>> grid = {"command": "guess", "grid": {"gamma": [0.1, 1.0, 10.0], "classes": [2, 10]}}
    >>> folder = tempfile.mkdtemp()
    >>> result = fg.sweep(grid, out=folder)
    >>> result.done, result.failed
    (6, 0)
    >>> sorted(fg.load(folder, frame="numpy")["mean_max"].round(3))[0]
    0.281
    """
    if out is None:
        raise ValueError("give `out`, a folder for the results")
    if chunks_per_task < 1 or retries < 0:
        raise ValueError("`chunks_per_task` is at least 1, `retries` at least 0")
    question = compile_grid(grid)
    place = _Place.of(os.fspath(out), storage_options)
    done = place.open(question)
    try:
        if executor is not None:
            return _drive(question, place, done, _submitter(executor, retries), chunks_per_task, retries, retry_failed, progress)
        with ThreadPoolExecutor(workers or os.cpu_count() or 1) as threads:
            return _drive(question, place, done, threads.submit, chunks_per_task, retries, retry_failed, progress)
    finally:
        place.close()


def compile_grid(grid: GridLike) -> _core.Sweep:
    """The grid, checked."""
    if isinstance(grid, Mapping):
        from . import _toml

        text = "".join(f"{json.dumps(key)} = {_toml(_plain(value))}\n" for key, value in grid.items() if value is not None)
        return _core.Sweep(text, "")
    path = os.fspath(grid)
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read `{path}`: {error}") from None
    return _core.Sweep(text, os.path.dirname(path))


def _plain(value: Any) -> Any:
    """NumPy's arrays and numbers as Python's."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, range)):
        return [_plain(item) for item in value]
    return value


# Folders: local, and by fsspec.


class _Place:
    """Where the chunks go."""

    def __init__(self, url: str, options: Dict[str, Any]) -> None:
        self.url = url
        self.options = options
        self._folder: Optional[_core.SweepFolder] = None

    @staticmethod
    def of(url: str, options: Optional[Mapping[str, Any]]) -> "_Place":
        if url.startswith("file://"):
            url = url[len("file://") :]
        return (_Remote if "://" in url else _Place)(url, dict(options or {}))

    def open(self, question: _core.Sweep) -> Dict[int, Tuple[int, int]]:
        """Locks the folder; chunks that are there, with their points and failures."""
        self._folder = _core.SweepFolder(self.url, question)
        return {chunk: (points, failed) for chunk, points, failed in self._folder.done()}

    def close(self) -> None:
        if self._folder is not None:
            self._folder.close()

    def manifest(self) -> str:
        path = os.path.join(self.url, "sweep.json")
        try:
            with open(path, encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            raise FileNotFoundError(
                f"`{self.url}` is not to be seen here, or holds no sweep: workers write their results themselves, into a "
                "folder that all of them share with the driver. Give a path on a shared file system, or a URL"
            ) from None

    def work(self, question: _core.Sweep, chunk: int, again: bool) -> Tuple[int, int, float]:
        return question.work(self.url, chunk, again)

    def columns(self, columns: Optional[List[str]]) -> List[List[Tuple[str, Any]]]:
        return [_core.sweep_columns(self.url, columns)]


class _Remote(_Place):
    """A folder behind fsspec. Object stores have no locks: two drivers would do the same work, and write the same bytes."""

    #: Where a file appears whole when it is put; elsewhere it is moved to its name.
    WHOLE = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "memory"}

    def _system(self) -> Tuple[Any, str]:
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise ImportError(f"fsspec is needed for `{self.url}`: `pip install fsspec`") from error
        return url_to_fs(self.url, **self.options)  # type: ignore[no-any-return]

    def _put(self, name: str, data: bytes) -> None:
        system, root = self._system()
        path = f"{root}/{name}"
        if self.url.split("://", 1)[0] in self.WHOLE:
            system.pipe_file(path, data)
            return
        part = f"{root}/.firstguess-{os.getpid()}-{time.time_ns()}"
        try:
            system.pipe_file(part, data)
            system.mv(part, path)
        except BaseException:
            if system.exists(part):
                system.rm_file(part)
            raise

    def open(self, question: _core.Sweep) -> Dict[int, Tuple[int, int]]:
        system, root = self._system()
        system.makedirs(f"{root}/chunks", exist_ok=True)
        if system.exists(f"{root}/sweep.json"):
            there = json.loads(self.manifest())
            if there["digest"] != question.digest:
                raise OSError(f"`{self.url}` holds another sweep. Give a new folder, or the grid that it was begun with")
            if there["numerical_version"] != json.loads(question.manifest())["numerical_version"]:
                raise OSError(f"`{self.url}` was computed with other numbers. Give a new folder")
        else:
            self._put("sweep.json", question.manifest().encode())
        found = {}
        for path, size in self._chunks():
            chunk = int(path.rsplit("chunk-", 1)[1].split(".", 1)[0])
            if size:
                last = min((chunk + 1) * question.chunk_points, question.points)
                found[chunk] = (last - chunk * question.chunk_points, 0)
        return found

    def close(self) -> None:
        return None

    def _chunks(self) -> List[Tuple[str, int]]:
        system, root = self._system()
        found = system.ls(f"{root}/chunks", detail=True) if system.exists(f"{root}/chunks") else []
        names = [(entry["name"], int(entry.get("size") or 0)) for entry in found]
        return sorted((name, size) for name, size in names if "/chunk-" in name and name.endswith(".parquet"))

    def manifest(self) -> str:
        system, root = self._system()
        try:
            return bytes(system.cat_file(f"{root}/sweep.json")).decode()
        except FileNotFoundError:
            raise FileNotFoundError(f"`{self.url}` holds no sweep: it has no sweep.json") from None

    def work(self, question: _core.Sweep, chunk: int, again: bool) -> Tuple[int, int, float]:
        data, counts = question.chunk(chunk)
        self._put(f"chunks/chunk-{chunk:08}.parquet", data)
        return counts

    def columns(self, columns: Optional[List[str]]) -> List[List[Tuple[str, Any]]]:
        self.manifest()
        system, _ = self._system()
        return [_core.chunk_columns(bytes(system.cat_file(name)), columns) for name, _ in self._chunks()]


# Workers.


@lru_cache(maxsize=8)
def _question(url: str, options: str, digest: str) -> _core.Sweep:
    """A worker reads a folder's grid once. The digest keeps one folder's grid from being taken for another's."""
    question = _core.Sweep.from_manifest(_Place.of(url, json.loads(options)).manifest())
    if question.digest != digest:
        raise OSError(f"`{url}` holds another sweep than the driver's, or the worker has another version of firstguess")
    return question


def _work(url: str, options: str, digest: str, chunks: Tuple[int, ...], again: bool) -> List[Tuple[int, int, int, float]]:
    """What a worker does: computes chunks, writes them, says their counts."""
    question = _question(url, options, digest)
    place = _Place.of(url, json.loads(options))
    return [(chunk, *place.work(question, chunk, again)) for chunk in chunks]


# The driver.


def _submitter(executor: Any, retries: int) -> Callable[..., Any]:
    """How a task is handed over."""
    if hasattr(executor, "get_executor"):
        # A Dask client. Its scheduler moves the tasks of dead workers elsewhere by itself.
        executor = executor.get_executor(retries=retries, pure=False)
    if not hasattr(executor, "submit"):
        raise ValueError(
            f"a {type(executor).__name__} is no executor: give one with `submit`, such as a ProcessPoolExecutor, an "
            "MPIPoolExecutor, a submitit executor or a Dask client"
        )
    submit: Callable[..., Any] = executor.submit
    return submit


class _Tasks:
    """Tasks under way. Futures that call back are heard; others (submitit's jobs) are asked now and then."""

    def __init__(self, submit: Callable[..., Any]) -> None:
        self._submit = submit
        self._heard: "queue.SimpleQueue[Any]" = queue.SimpleQueue()
        self._asked: Set[Any] = set()
        self.pending: Dict[Any, Tuple[int, ...]] = {}

    def add(self, chunks: Tuple[int, ...], *arguments: Any) -> None:
        future = self._submit(_work, *arguments)
        self.pending[future] = chunks
        if hasattr(future, "add_done_callback"):
            future.add_done_callback(self._heard.put)
        else:
            self._asked.add(future)

    def finished(self, seconds: float) -> Iterator[Tuple[Any, Tuple[int, ...]]]:
        """Those that have ended, waiting for one at most so long."""
        ended = [future for future in self._asked if future.done()]
        self._asked.difference_update(ended)
        try:
            while True:
                ended.append(self._heard.get(timeout=0 if ended else seconds))
        except queue.Empty:
            pass
        for future in ended:
            if future in self.pending:
                yield future, self.pending.pop(future)

    def cancel(self) -> None:
        for future in self.pending:
            if hasattr(future, "cancel"):
                future.cancel()


def _drive(
    question: _core.Sweep,
    place: _Place,
    done: Dict[int, Tuple[int, int]],
    submit: Callable[..., Any],
    chunks_per_task: int,
    retries: int,
    retry_failed: bool,
    progress: Union[bool, Callable[[SweepProgress], Any], None],
) -> SweepResult:
    start = time.monotonic()
    if retry_failed:
        done = {chunk: (points, failed) for chunk, (points, failed) in done.items() if not failed}
    todo = [chunk for chunk in range(question.chunks) if chunk not in done]
    waiting = [tuple(todo[at : at + chunks_per_task]) for at in range(0, len(todo), chunks_per_task)]
    waiting.reverse()
    points, failed = sum(p for p, _ in done.values()), sum(f for _, f in done.values())
    computed, computing, chunks_done = 0, 0.0, len(done)
    attempts: Dict[Tuple[int, ...], int] = {}
    tasks = _Tasks(submit)
    options = json.dumps(place.options)
    tell = _teller(progress)
    try:
        while waiting or tasks.pending:
            while waiting and len(tasks.pending) < IN_FLIGHT:
                chunks = waiting.pop()
                tasks.add(chunks, place.url, options, question.digest, chunks, retry_failed)
            news = False
            for future, chunks in tasks.finished(0.2):
                try:
                    counts = future.result()
                except BrokenExecutor as error:
                    raise SweepError(
                        f"the executor broke ({error}); {points} of {question.points} points are finished and kept. "
                        "The same call with a new executor goes on with them"
                    ) from error
                except Exception as error:
                    attempts[chunks] = attempts.get(chunks, 0) + 1
                    if attempts[chunks] > retries:
                        raise SweepError(
                            f"chunk {chunks[0]} could not be finished in {attempts[chunks]} attempts: {error}\n"
                            f"  {points} of {question.points} points are finished and kept. The same call goes on with them"
                        ) from error
                    waiting.append(chunks)
                    continue
                for _, of_chunk, without, seconds in counts:
                    points, failed, computed = points + of_chunk, failed + without, computed + of_chunk
                    computing, chunks_done, news = computing + seconds, chunks_done + 1, True
            now = SweepProgress(points, failed, question.points, chunks_done, question.chunks, time.monotonic() - start)
            if news and tell(now) is False:
                break
    finally:
        tasks.cancel()
        tell(None)
    return SweepResult(place.url, question.points, points, failed, computed, time.monotonic() - start, computing)


def _teller(progress: Union[bool, Callable[[SweepProgress], Any], None]) -> Callable[[Optional[SweepProgress]], Any]:
    if callable(progress):
        function = progress
        return lambda now: None if now is None else function(now)
    shown = sys.stderr.isatty() if progress is None else progress
    last = [0.0]

    def tell(now: Optional[SweepProgress]) -> None:
        if not shown:
            return
        if now is None:
            if last[0]:
                print(file=sys.stderr)
        elif now.seconds - last[0] > 0.5 or now.done == now.points:
            last[0] = now.seconds
            text = f"\r  {now.done}/{now.points} points, {now.failed} failed, {now.seconds:.0f} s"
            print(text, end="", file=sys.stderr, flush=True)

    return tell


# Results.


def load(
    folder: Union[str, "os.PathLike[str]"],
    *,
    columns: Optional[Sequence[str]] = None,
    frame: Optional[str] = None,
    storage_options: Optional[Mapping[str, Any]] = None,
) -> Any:
    """The results of a sweep, point after point, those of failed points among them.

    Parameters
    ----------
    folder
        The folder of a sweep, finished or not; or its URL.
    columns
        Which columns; all but ``json`` unless given.
    frame
        ``"pandas"``, ``"polars"``, or ``"numpy"`` for a dict of arrays. pandas unless given, polars where there is no pandas,
        arrays where there is neither.
    storage_options
        For ``fsspec``.

    Notes
    -----
    For results larger than memory read ``folder/chunks/*.parquet`` with pyarrow, polars or DuckDB, which take what they need.

    Examples
    --------
    >>> import tempfile, firstguess as fg
    >>> folder = tempfile.mkdtemp()
    >>> _ = fg.sweep({"command": "critical", "grid": {"activation": ["relu", "erf"], "bias_variance": 0.0}}, out=folder)
    >>> fg.load(folder, frame="numpy", columns=["activation", "edge_weight_variance"])["edge_weight_variance"][0]
    2.0
    """
    if frame not in (None, "pandas", "polars", "numpy"):
        raise ValueError(f"there is no frame {frame!r}; allowed: 'pandas', 'polars', 'numpy'")
    place = _Place.of(os.fspath(folder), storage_options)
    known = _core.Sweep.from_manifest(place.manifest()).columns()
    wanted = [name for name in known if name != "json"] if columns is None else list(dict.fromkeys(columns))
    for name in wanted:
        if name not in known:
            raise ValueError(f"there is no column `{name}`; there are: {', '.join(known)}")
    parts = place.columns(wanted)
    data: Dict[str, Any] = {}
    for name in wanted:
        pieces = [_array(values) for part in parts for there, values in part if there == name]
        data[name] = np.concatenate(pieces) if pieces else np.empty(0)
    if frame in (None, "pandas"):
        try:
            import pandas
        except ImportError:
            if frame == "pandas":
                raise
        else:
            return pandas.DataFrame(data)
    if frame in (None, "polars"):
        try:
            import polars
        except ImportError:
            if frame == "polars":
                raise
        else:
            return polars.DataFrame({name: list(values) if values.dtype == object else values for name, values in data.items()})
    return data


def _array(values: Any) -> Any:
    return values if isinstance(values, np.ndarray) else np.array(values, dtype=object)
