"""The package without torch: the same answers as the command line, and what is refused."""

from __future__ import annotations

import doctest
import html
import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict

import numpy as np
import pytest

import firstguess as fg

SPEC = {
    "name": "deep",
    "data": {"dataset": "digits", "standardize": "feature", "samples": 60},
    "init": {"scheme": "torch_default"},
    "network": {"layers": [{"repeat": 12, "layers": [{"dense": 32}, "relu"]}, {"dense": 10}]},
    "measure": {"draws": 4},
}
TOML = """
name = "deep"
[data]
dataset = "digits"
standardize = "feature"
samples = 60
[init]
scheme = "torch_default"
[network]
layers = [{ repeat = 12, layers = [{ dense = 32 }, "relu"] }, { dense = 10 }]
[measure]
draws = 4
"""


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    path = tmp_path / "deep.toml"
    path.write_text(TOML)
    return path


def test_answers_are_those_of_the_command_line(cli, spec_file: Path) -> None:
    calls = [
        (fg.predict(activation="tanh", weight_variance=3.0, bias_variance=0.1, depth=5, input_correlation=0.2),
         "predict --activation tanh --weight-variance 3 --bias-variance 0.1 --depth 5 --input-correlation 0.2"),
        (fg.predict(activation="relu", weight_variance=2.0, bias_variance=0.0, pool="max:2"),
         "predict --activation relu --weight-variance 2 --bias-variance 0 --pool max:2"),
        (fg.predict(spec_file), f"predict {spec_file}"),
        (fg.critical("gelu", bias_variance=0.2), "critical --activation gelu --bias-variance 0.2"),
        (fg.guess(10, gamma=2.5), "guess --classes 10 --gamma 2.5"),
        (fg.guess(2, correlation=0.5), "guess --classes 2 --correlation 0.5"),
        (fg.guess(3, gamma=math.inf), "guess --classes 3 --gamma inf"),
        (fg.pair(3.0, table=[-1.0, 0.5]), "pair --theta 3 --table -1,0.5"),
        (fg.phase("tanh", resolution=4), "phase --activation tanh --resolution 4"),
        (fg.check(spec_file).to_dict(), f"check {spec_file} --fail-on never"),
        (fg.check(spec_file, draws=3, seed=7, samples=30).to_dict(),
         f"check {spec_file} --fail-on never --draws 3 --seed 7 --samples 30"),
    ]  # fmt: skip
    for found, line in calls:
        code, expected, _ = cli(*line.split())
        assert code == 0, line
        assert found == expected, line


def test_a_mapping_is_the_file_that_it_stands_for(spec_file: Path) -> None:
    assert fg.check(SPEC).to_dict() == fg.check(spec_file).to_dict()
    assert fg.check(SPEC, name="other").name == "other"


def test_refusals_are_those_of_the_command_line(cli, tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text(TOML.replace("torch_default", "torch_defualt"))
    for call, line in [
        (lambda: fg.predict(activation="tanh", weight_variance=-1.0, bias_variance=0.1),
         "predict --activation tanh --weight-variance -1 --bias-variance 0.1"),
        (lambda: fg.guess(1, gamma=1.0), "guess --classes 1 --gamma 1"),
        (lambda: fg.guess(3, correlation=1.5), "guess --classes 3 --correlation 1.5"),
        (lambda: fg.critical("tnah", bias_variance=0.1), "critical --activation tnah --bias-variance 0.1"),
        (lambda: fg.predict(activation="relu", weight_variance=1.0, bias_variance=0.0, depth=0),
         "predict --activation relu --weight-variance 1 --bias-variance 0 --depth 0"),
        (lambda: fg.check(broken), f"check {broken}"),
        (lambda: fg.check(tmp_path / "none.toml"), f"check {tmp_path / 'none.toml'}"),
        (lambda: fg.explain("frozen"), "explain frozen"),
        (lambda: fg.cite("poole"), "cite poole"),
    ]:  # fmt: skip
        with pytest.raises(ValueError) as error:
            call()
        code, _, said = cli(*line.split())
        assert code == 2
        # The command line adds where the fault stands; the sentence is the same.
        sentence = str(error.value).split(": ", 1)[-1].splitlines()[0]
        joined = " ".join(said.replace("│", " ").split())
        assert " ".join(sentence.split())[:60] in joined, (sentence, said)


def test_nonsense_is_refused_with_what_is_allowed() -> None:
    for call, expected in [
        (lambda: fg.predict(), "give a model"),
        (lambda: fg.predict(SPEC, activation="relu"), "not both"),
        (lambda: fg.guess(10), "either `gamma` or `correlation`"),
        (lambda: fg.guess(10, gamma=float("nan")), "at least 0"),
        (lambda: fg.pair(3.0, branch="even"), "possible values: odd, positive"),
        (lambda: fg.phase("relu", weight_variance=(2.0, 1.0)), "below the second"),
        (lambda: fg.critical("relu", bias_variance=0.0, pool="max"), "such as max:2"),
        (lambda: fg.check(3), "cannot check a int"),
        (lambda: fg.check(SPEC, draws=0), "draws"),
        (lambda: fg.check(SPEC, draws=-1), "whole number"),
        (lambda: fg.check(SPEC, np.full((4, 64), np.nan)), "finite"),
        (lambda: fg.check(SPEC, np.ones((4, 64)), [0, 1]), "one label per example"),
        (lambda: fg.check(SPEC, redraw=False), "go with torch modules"),
        (lambda: fg.check({**SPEC, "inti": {}}), "inti"),
        (lambda: fg.check(SPEC).to_frame("arrow"), "pandas"),
        (lambda: fg.check(SPEC).raise_for_findings("fatal"), "severity is one of"),
        (lambda: fg.check(SPEC).narrow(select=["frozen"]), "frozen-bias"),
    ]:
        with pytest.raises(ValueError, match="(?s).*" + expected):
            call()


ONNX = Path(__file__).resolve().parents[2] / "firstguess-io/tests/onnx"


def test_onnx_models_are_checked_as_on_the_command_line() -> None:
    path = ONNX / "mlp_opset17.onnx"
    report = fg.check(path, draws=4, samples=30, seed=2)
    call = ["check", str(path), "--draws", "4", "--samples", "30", "--seed", "2", "--fail-on", "never"]
    assert report.to_dict() == json.loads(fg._core.answer(call))
    assert [row["kind"] for row in report.rows()] == ["dense"] * 3
    x = np.random.default_rng(0).normal(size=(20, 1, 4, 4)).astype(np.float32)
    given = fg.check(str(path), x, np.arange(20) % 5, draws=4).to_dict()
    assert given["data"]["examples"] == 20 and given["data"]["classes"] == 5
    with pytest.raises(ValueError, match=r"\[1, 4, 4\]"):
        fg.check(path, x[:, :, :3])
    predicted = fg.predict(path)
    assert len(predicted["layers"]) == 3 and predicted["layers"][2]["q"] > 0


def _feed(session: Any, rng: np.random.Generator) -> Dict[str, np.ndarray]:
    """Eight examples of each input; where the file fixes how many, so many."""
    feed: Dict[str, np.ndarray] = {}
    for info in session.get_inputs():
        shape = [extent if isinstance(extent, int) else (8, 7)[axis > 0] for axis, extent in enumerate(info.shape)]
        whole = (rng.integers(0, 30, shape) if "ids" in info.name else np.ones(shape)).astype(np.int64)
        feed[info.name] = whole if "int" in info.type else rng.normal(size=shape).astype(np.float32)
    return feed


@pytest.mark.parametrize("path", sorted(ONNX.glob("*.onnx")), ids=lambda path: path.stem)
def test_onnx_models_lose_what_onnxruntime_says_they_lose(path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    if path.stem.endswith("preserved"):
        pytest.skip("in training mode the outputs are random where the model drops units")
    session = runtime.InferenceSession(str(path))
    feed = _feed(session, np.random.default_rng(1))
    scores = session.run(None, feed)[0].astype(np.float64)
    if scores.ndim > 2:
        pytest.skip("one label per example says nothing of many rows")
    labels = np.arange(len(scores)) % scores.shape[1]
    report = fg.check(path, feed if len(feed) > 1 else next(iter(feed.values())), labels, draws=2)
    # The logarithm of a softmax at the end is the softmax's own input, but for a constant.
    logits = np.log(scores) if path.stem.startswith("norms") else scores
    largest = logits.max(1)
    loss = largest + np.log(np.exp(logits - largest[:, None]).sum(1)) - logits[np.arange(len(labels)), labels]
    assert report.to_dict()["model"]["as_found"]["cross_entropy"]["value"] == pytest.approx(loss.mean(), abs=1e-4, rel=1e-4)
    share = np.bincount(scores.argmax(1)).max() / len(scores)
    assert report.to_dict()["model"]["as_found"]["largest_share"]["value"] == pytest.approx(share)


def test_onnx_models_of_several_inputs_take_a_mapping(tmp_path: Path) -> None:
    path = ONNX / "masked_opset17.onnx"
    ids, labels = np.arange(60).reshape(12, 5) % 30, np.arange(12) % 3
    arrays = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    report = fg.check(path, arrays, labels, draws=3)
    np.savez(tmp_path / "inputs.npz", **arrays, labels=labels)
    saved = fg.check(path, str(tmp_path / "inputs.npz"), draws=3)
    assert report.to_dict()["measurement"] == saved.to_dict()["measurement"]
    assert [row["kind"] for row in report.rows()] == ["embedding", "dense", "dense"]
    with pytest.raises(ValueError, match="no array `attention_mask`"):
        fg.check(path, {"input_ids": ids})
    with pytest.raises(ValueError, match="takes .* the data are one array"):
        fg.check(path, ids)
    with pytest.raises(ValueError, match="a spec has one input"):
        fg.check(SPEC, arrays)


def test_a_report_says_what_was_found() -> None:
    report = fg.check(SPEC)
    assert not report.ok and report.worst == "error"
    assert report.findings[0].id == "frozen-bias" and report.findings[0].remedy
    with pytest.raises(fg.FindingsError, match="frozen-bias"):
        report.raise_for_findings()
    quiet = report.narrow(ignore=["frozen-bias"])
    assert quiet.ok and len(quiet.findings) == len(report.findings) - 1
    quiet.raise_for_findings()
    assert "NOT OK" in report.to_text() and "\x1b" not in report.to_text()
    assert report.to_text(unicode=False).isascii()
    page = report.to_html()
    assert page.startswith("<!doctype html>") and "frozen-bias" in page and len(page) < 500_000
    assert "http://" not in page and "https://" not in page
    frame = report._repr_html_()
    assert frame.startswith("<iframe") and "<script" not in frame and html.unescape(frame.split('srcdoc="')[1][:-11]) == page
    assert json.loads(report.to_sarif("a.toml"))["version"] == "2.1.0"
    assert repr(report) == "<firstguess.Report 'deep': error>"


def test_pictures_need_no_other_library(tmp_path: Path) -> None:
    report = fg.check(SPEC)
    assert list(report.pictures)[:4] == ["signal", "correlation", "drift", "gradient"]
    picture = report.plot("drift")
    assert picture.to_svg() == picture._repr_svg_() and "<title" in picture.to_svg()
    assert picture.title in picture.to_svg() and repr(picture).startswith("<firstguess.Picture 'drift'")
    assert picture.to_png(dark=True) != picture.to_png() and len(picture.to_png(scale=1.0)) < 100_000
    for name in ("a.svg", "a.PNG"):
        picture.save(tmp_path / name)
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == picture.to_svg()
    assert (tmp_path / "a.PNG").read_bytes() == picture.to_png()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.PNG", "a.svg"]
    with pytest.raises(ValueError, match="it has signal"):
        report.plot("nothing")
    with pytest.raises(ValueError, match=r"\.svg or \.png"):
        picture.save(tmp_path / "a.pdf")
    target = tmp_path / "phases.svg"
    diagram = fg.phase("tanh", resolution=8, point=(2.0, 0.1), output=target)
    assert diagram["point"]["phase"] == "chaotic" and "edge of chaos" in target.read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="file"):
        fg.phase("tanh", output="-")


def test_frames_have_a_row_per_layer() -> None:
    report = fg.check(SPEC)
    rows = report.rows()
    assert len(rows) == 13 and rows[0]["q"] == report.to_dict()["measurement"]["layers"][0]["q"]["value"]
    for backend in ("pandas", "polars"):
        if importlib.util.find_spec(backend) is None:
            with pytest.raises(ImportError, match=backend):
                report.to_frame(backend)
        else:
            frame = report.to_frame(backend)
            assert frame.shape == (13, len(rows[0]))


def test_given_inputs_are_prepared_as_a_file_would_be(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 6)).astype(np.float32), np.arange(50) % 3
    np.savez(tmp_path / "batch.npz", x=x, y=y)
    spec = {**SPEC, "network": {"layers": [{"dense": 8}, "tanh", {"dense": 3}]}}
    ours, file = fg.check(spec, x, y).to_dict(), fg.check(spec, tmp_path / "batch.npz").to_dict()
    assert ours["measurement"] == file["measurement"]


def test_without_torch_the_rest_works_and_says_what_is_missing() -> None:
    script = """
import sys
sys.modules["torch"] = None
import firstguess as fg
assert fg.guess(2, gamma=1.0)["mean_max"] == 0.75
for call in (lambda: fg.check(print, [[1.0]]), lambda: fg.init_(None, "he_normal"), lambda: fg.losses):
    try:
        call()
    except ImportError as error:
        assert "pip install torch" in str(error), error
    else:
        raise SystemExit("no error")
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_importing_the_package_imports_no_torch() -> None:
    script = "import sys, firstguess; raise SystemExit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_examples_of_the_documentation_run() -> None:
    import firstguess._report

    for module in (fg, firstguess._report):
        failed, attempted = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
        assert attempted and not failed, module


def test_explanations_and_works() -> None:
    names = fg.findings()
    assert "frozen-bias" in names
    assert all(fg.explain(name).count("## ") >= 2 for name in names)
    assert fg.cite().count("@") >= fg.cite("poole2016").count("@") == 1


def test_pictures_say_what_is_missing_or_draw() -> None:
    from firstguess import plot

    report = fg.check(SPEC)
    if importlib.util.find_spec("matplotlib") is None:
        with pytest.raises(ImportError, match="matplotlib"):
            plot.layers(report)
        return
    import matplotlib

    matplotlib.use("Agg")
    plot.layers(report, "gamma")
    plot.guesses(report)
    plot.phase(fg.phase("tanh", resolution=5))
    with pytest.raises(ValueError, match="quantity is one of"):
        plot.layers(report, "weights")
