"""The gate: the pytest plugin, ``python -m firstguess``, and pyproject.toml."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from firstguess.__main__ import main  # noqa: E402

NET = """
import torch
from torch import nn

def deep():
    layers = []
    for k in range(15):
        layers += [nn.Linear(12 if k == 0 else 32, 32), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(32, 4))

class Shallow(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(12, 64), nn.Tanh(), nn.Linear(64, 4))

def with_batch():
    return Shallow(), torch.randn(16, 12), torch.arange(16) % 4

model = Shallow()
not_a_model = 3
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "nets.py").write_text(NET)
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "batch.npz", x=rng.normal(size=(24, 12)).astype(np.float32), y=np.arange(24) % 4)
    np.savez(tmp_path / "named.npz", input=rng.normal(size=(24, 12)).astype(np.float32))
    return tmp_path


@pytest.fixture
def run(project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Any:
    """``python -m firstguess check`` in the project's folder, in this process: importing torch takes seconds."""
    monkeypatch.chdir(project)
    monkeypatch.syspath_prepend(project)

    def call(*arguments: str) -> SimpleNamespace:
        sys.modules.pop("nets", None)
        status = main(["check", *arguments])
        said = capsys.readouterr()
        return SimpleNamespace(returncode=status, stdout=said.out, stderr=said.err)

    return call


def test_it_is_a_program(project: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, "-m", "firstguess", "check", "nets:deep", "--data", "batch.npz", "--draws", "1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=project, env=environment, check=False)
    assert done.returncode == 1 and "frozen-bias" in done.stdout, done.stderr


def test_the_module_checks_what_a_name_stands_for(run: Any) -> None:
    deep = run("nets:deep", "--data", "batch.npz", "--draws", "3")
    assert deep.returncode == 1 and "frozen-bias" in deep.stdout, deep.stderr
    fine = run("nets:Shallow", "--data", "batch.npz", "--draws", "3", "--json")
    report = json.loads(fine.stdout)
    assert fine.returncode == 0 and report["model"]["redraw"] == "re-drawn by the factory"
    assert report["name"] == "nets:Shallow"
    assert run("nets:with_batch", "--draws", "2").returncode == 0
    assert run("nets:model", "--data", "named.npz", "--draws", "2").returncode == 0


def test_unusable_input_ends_with_two_and_a_sentence(run: Any) -> None:
    for arguments, expected in [
        (("nets",), "names no model"),
        (("nets:deeep", "--data", "batch.npz"), "it has: "),
        (("nothing:x", "--data", "batch.npz"), "cannot import"),
        (("nets:not_a_model", "--data", "batch.npz"), "cannot check a int"),
        (("nets:deep", "--data", "none.npz"), "cannot read"),
        (("nets:deep",), "needs inputs"),
        (("nets:deep", "--data", "batch.npz", "--ignore", "frozen"), "unknown finding"),
        (("nets:deep", "--data", "batch.npz", "--draws", "1", "--baseline", "no.json"), "no such file"),
    ]:
        done = run(*arguments)
        assert done.returncode == 2 and expected in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_baseline_sarif_and_settings(project: Path, run: Any) -> None:
    call = ("nets:deep", "--data", "batch.npz", "--draws", "2")
    assert run(*call, "--write-baseline", "known.json", "--sarif", "out.sarif").returncode == 0
    assert json.loads((project / "known.json").read_text())["findings"]
    log = json.loads((project / "out.sarif").read_text())
    result = log["runs"][0]["results"][0]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "nets.py"
    assert run(*call).returncode == 1
    assert run(*call, "--baseline", "known.json").returncode == 0
    assert run(*call, "--fail-on", "never").returncode == 0
    (project / "pyproject.toml").write_text('[tool.firstguess]\nbaseline = "known.json"\ndraws = 2\n')
    # The baseline that the settings name may be written for the first time.
    (project / "known.json").unlink()
    first = run(*call[:3])
    assert first.returncode == 2 and "--write-baseline" in first.stderr
    assert run(*call[:3], "--write-baseline", "known.json").returncode == 0
    quiet = run(*call[:3], "--json")
    assert quiet.returncode == 0 and json.loads(quiet.stdout)["measurement"]["draws"] == 2
    (project / "pyproject.toml").write_text('[tool.firstguess]\nfial-on = "error"\n')
    wrong = run(*call)
    assert wrong.returncode == 2 and "did you mean `fail-on`?" in wrong.stderr


def test_files_of_models_are_targets_too(project: Path, run: Any) -> None:
    (project / "net.toml").write_text('[init]\nscheme = "he_normal"\n[network]\nlayers = [{ dense = 16 }, "relu", { dense = 10 }]\n')
    done = run("net.toml", "--data", "digits", "--draws", "2", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["data"]["name"] == "digits", done.stderr
    model = Path(__file__).resolve().parents[2] / "firstguess-io/tests/onnx/mlp_opset17.onnx"
    done = run(str(model), "--draws", "2", "--json", "--fail-on", "never")
    assert done.returncode == 0 and len(json.loads(done.stdout)["measurement"]["layers"]) == 3, done.stderr


TESTS = """
import torch
from nets import Shallow, deep

def test_deep(firstguess_check):
    firstguess_check(deep(), torch.randn(16, 12, generator=torch.Generator().manual_seed(0)), draws=2)

def test_shallow(firstguess_check):
    assert firstguess_check(Shallow(), torch.randn(16, 12), draws=2).ok
"""


def test_the_plugin_fails_tests_and_knows_a_baseline(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(nets=NET, test_nets=TESTS)
    options = ["-p", "firstguess.pytest_plugin"] if not _installed() else []
    first = pytester.runpytest_inprocess(*options, "--firstguess-sarif", "all.sarif")
    first.assert_outcomes(passed=1, failed=1)
    first.stdout.fnmatch_lines(["*frozen-bias*"])
    assert len(json.loads((pytester.path / "all.sarif").read_text())["runs"]) == 2
    known = ["--firstguess-baseline", "known.json"]
    pytester.runpytest_inprocess(*options, *known, "--firstguess-update-baseline").assert_outcomes(passed=2)
    pytester.runpytest_inprocess(*options, *known).assert_outcomes(passed=2)
    pytester.runpytest_inprocess(*options, "--firstguess-ignore", "frozen-bias").assert_outcomes(passed=2)
    broken = pytester.runpytest_inprocess(*options, "--firstguess-baseline", "none.json")
    assert broken.ret == 4


def _installed() -> bool:
    from importlib.metadata import entry_points

    return any(point.name == "firstguess" for point in entry_points(group="pytest11"))
