"""`firstguess labels` against cleanlab 2.9, example by example.

FIRSTGUESS names the program (default: target/debug/firstguess). Where scores tie, cleanlab's choice hangs on the order
in which NumPy's default sort leaves equals; here it is made the stable one, the earlier example first, which is ours.
"""

import functools
import json
import os
import pathlib
import subprocess

import numpy as np
import pytest

cleanlab = pytest.importorskip("cleanlab")

from cleanlab import count, filter as cleanlab_filter, rank  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[4]
PROGRAM = os.environ.get("FIRSTGUESS", str(ROOT / "target/debug/firstguess"))
METHODS = [
    "prune_by_class",
    "prune_by_noise_rate",
    "both",
    "confident_learning",
    "predicted_neq_given",
    "low_self_confidence",
    "low_normalized_margin",
]


pytestmark = pytest.mark.filterwarnings("ignore:May not flag")


@pytest.fixture(autouse=True)
def stable_sorts(monkeypatch):
    monkeypatch.setattr(np, "argsort", functools.partial(np.argsort, kind="stable"))


def problem(classes, examples, seed, kind):
    """Noisy probabilities with wrong labels, and one peculiarity."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, examples)
    logits = rng.normal(size=(examples, classes)) * rng.uniform(0.5, 2)
    logits[np.arange(examples), truth] += rng.uniform(0.5, 4)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    labels = truth.copy()
    wrong = rng.random(examples) < 0.2
    labels[wrong] = rng.integers(0, classes, wrong.sum())
    if kind == "ties":  # two digits: equal scores and equal fractions everywhere
        p = np.round(p, 2)
    elif kind == "absent":  # classes that no label names
        gone = rng.choice(classes, max(1, classes // 5), replace=False)
        labels[np.isin(labels, gone)] = next(k for k in range(classes) if k not in gone)
    elif kind == "zeros":  # rows and columns of zeros
        p[rng.random(examples) < 0.1] = 0
        p[:, rng.integers(classes)] = 0
    elif kind == "rare":  # classes with one or two examples
        labels[labels >= classes // 2] = 0
        labels[: classes - classes // 2] = np.arange(classes // 2, classes)
    return labels, np.ascontiguousarray(p), truth


def ours(folder, labels, p, *options):
    np.save(folder / "p.npy", p)
    np.save(folder / "y.npy", labels)
    call = [PROGRAM, "labels", "--probabilities", folder / "p.npy", "--labels", folder / "y.npy", "--json", *options]
    done = subprocess.run([str(part) for part in call], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


CASES = [
    (classes, examples, kind)
    for classes, examples in [(3, 60), (3, 500), (5, 200), (10, 1000), (20, 400), (50, 2000), (200, 3000)]
    for kind in ["plain", "ties", "absent", "zeros", "rare"]
    if not (kind == "rare" and classes < 5)
]


@pytest.mark.parametrize(("classes", "examples", "kind"), CASES)
def test_every_step_and_every_method(tmp_path, classes, examples, kind):
    labels, p, _ = problem(classes, examples, seed=classes * 1000 + examples, kind=kind)
    raw = count.compute_confident_joint(labels, p, calibrate=False)
    calibrated = count.compute_confident_joint(labels, p, calibrate=True)
    thresholds = count.get_confident_thresholds(labels, p)
    present = set(labels.tolist())
    for method in METHODS:
        answer = ours(tmp_path, labels, p, "--method", method)
        if method == METHODS[0]:
            assert answer["confident_joint"] == raw.tolist()
            assert answer["calibrated_joint"] == calibrated.tolist()
            for k, found in enumerate(answer["thresholds"]):
                assert (found is None) == (k not in present)
                assert found is None or found == pytest.approx(thresholds[k], rel=1e-14)
        mask = cleanlab_filter.find_label_issues(labels, p, filter_by=method, n_jobs=1)
        issues = [issue["index"] for issue in answer["issues"]]
        assert sorted(issues) == np.flatnonzero(mask).tolist(), method
        assert issues == rank.order_label_issues(mask, labels, p, rank_by="self_confidence").tolist(), method


@pytest.mark.parametrize("seed", range(20))
def test_many_small_problems(tmp_path, seed):
    rng = np.random.default_rng(seed)
    classes, examples = int(rng.integers(2, 8)), int(rng.integers(20, 120))
    labels, p, _ = problem(classes, examples, seed, ["plain", "ties", "absent", "zeros"][seed % 4])
    if len(set(labels.tolist())) < 2:
        pytest.skip("cleanlab asks for two classes")
    answer = ours(tmp_path, labels, p, "--method", "both")
    mask = cleanlab_filter.find_label_issues(labels, p, filter_by="both", n_jobs=1)
    assert sorted(issue["index"] for issue in answer["issues"]) == np.flatnonzero(mask).tolist()


@pytest.mark.parametrize(("keep", "fraction"), [(0, 1.0), (5, 1.0), (1, 0.5), (20, 0.25)])
@pytest.mark.parametrize("method", METHODS[:3])
def test_options_of_pruning(tmp_path, method, keep, fraction):
    labels, p, _ = problem(6, 300, seed=11, kind="plain")
    answer = ours(
        tmp_path, labels, p, "--method", method, "--min-examples-per-class", keep, "--noise-fraction", fraction
    )
    mask = cleanlab_filter.find_label_issues(
        labels, p, filter_by=method, n_jobs=1, min_examples_per_class=keep, frac_noise=fraction
    )
    assert sorted(issue["index"] for issue in answer["issues"]) == np.flatnonzero(mask).tolist()


def test_ranking_by_margin_and_metrics(tmp_path):
    labels, p, truth = problem(10, 800, seed=5, kind="plain")
    np.save(tmp_path / "t.npy", truth)
    answer = ours(tmp_path, labels, p, "--rank-by", "normalized_margin", "--truth", tmp_path / "t.npy")
    mask = cleanlab_filter.find_label_issues(labels, p, filter_by="both", n_jobs=1)
    order = rank.order_label_issues(mask, labels, p, rank_by="normalized_margin")
    assert [issue["index"] for issue in answer["issues"]] == order.tolist()
    metrics = pytest.importorskip("sklearn.metrics")
    wrong = labels != truth
    assert answer["detection"]["f1"] == pytest.approx(metrics.f1_score(wrong, mask), abs=1e-12)
    balanced = metrics.balanced_accuracy_score(wrong, mask)
    assert answer["detection"]["balanced_accuracy"] == pytest.approx(balanced, abs=1e-12)


def test_single_precision_is_taken_for_what_it_holds(tmp_path):
    labels, p, _ = problem(10, 500, seed=8, kind="plain")
    single = p.astype("f4")
    answer = ours(tmp_path, labels, single)
    mask = cleanlab_filter.find_label_issues(labels, single.astype("f8"), filter_by="both", n_jobs=1)
    assert sorted(issue["index"] for issue in answer["issues"]) == np.flatnonzero(mask).tolist()
