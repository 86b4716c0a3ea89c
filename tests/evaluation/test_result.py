"""Results, their intervals, tables and pictures."""

import dataclasses
import json
import math
import statistics

import numpy as np
import pytest

import keras_mpat as mpat
from keras_mpat import attacks, evaluation
from keras_mpat.evaluation import tables

FLAGS = np.array([1, 1, 0, 1, 0], bool)


def result(robust=FLAGS, seed=3):
    clean = np.array([1, 1, 1, 1, 0], bool)
    stage = evaluation.Stage("PGD-10", "PGD(...)", np.asarray(robust), 1.23456)
    return evaluation.RobustnessResult(clean, np.asarray(robust), (stage,), 0.2, seed)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [  # Newcombe, Stat. Med. 17 (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (20, 20, 0.8389, 1.0),
    ],
)
def test_wilson_interval_of_published_examples(successes, n, low, high):
    found = evaluation.wilson_interval(successes, n)
    assert found == pytest.approx((low, high), abs=6e-5)
    assert 0.0 <= found[0] <= successes / n <= found[1] <= 1.0


def test_no_examples_tell_nothing():
    assert evaluation.wilson_interval(0, 0) == (0.0, 1.0)


def test_two_seeds_by_the_closed_form():
    # With one degree of freedom the quantile is tan(pi * (0.975 - 0.5)), and the
    # standard error half the distance of the two.
    half = math.tan(math.pi * 0.475) * abs(0.7 - 0.5) / 2
    assert evaluation.seed_interval([0.5, 0.7]) == pytest.approx(
        (0.6 - half, 0.6 + half), 1e-4
    )


@pytest.mark.parametrize("count", [2, 3, 5, 8, 11, 12, 15, 30, 100])
def test_any_number_of_seeds_by_scipy(count):
    stats = pytest.importorskip("scipy.stats", reason="needs scipy")
    scores = [0.5 + 0.1 * math.sin(n) for n in range(count)]
    error = statistics.stdev(scores) / math.sqrt(count)
    center = statistics.fmean(scores)
    low, high = stats.t.interval(0.95, count - 1, loc=center, scale=error)
    assert evaluation.seed_interval(scores) == pytest.approx(
        (low, high), abs=3e-3 * error
    )


@pytest.mark.parametrize("scores", [[], [0.5]])
def test_fewer_than_two_seeds_have_no_interval(scores):
    with pytest.raises(ValueError, match="`scores` must be two or more numbers"):
        evaluation.seed_interval(scores)


def test_interval_belongs_to_the_robust_accuracy():
    found = result()
    assert found.robust_accuracy == pytest.approx(0.6)
    assert found.interval == evaluation.wilson_interval(3, 5)
    assert found.stages[0].interval == evaluation.wilson_interval(3, 5)


def test_save_and_load(tmp_path):
    path = tmp_path / "result.json"
    result().save(path)
    loaded = evaluation.RobustnessResult.load(path)
    assert loaded == result()
    np.testing.assert_array_equal(loaded.robust, FLAGS)
    assert loaded.stages[0].correct.dtype == bool
    assert loaded.zero_gradients == 0.2
    assert list(tmp_path.iterdir()) == [path]
    values = json.loads(path.read_text())
    assert values["robust"] == "11010"
    assert values["n"] == 5
    assert values["robust_accuracy"] == pytest.approx(0.6)
    assert values["stages"][0]["attack"] == "PGD(...)"


def test_certified_examples_are_kept_and_shown(tmp_path):
    plain, path = result(), tmp_path / "result.json"
    proven = dataclasses.replace(plain, certified=np.array([1, 0, 0, 1, 0], bool))
    assert proven.certified_accuracy == pytest.approx(0.4)
    assert proven != plain
    for kept in (plain, proven):
        kept.save(path)
        assert evaluation.RobustnessResult.load(path) == kept
    loaded = evaluation.RobustnessResult.load(path)
    np.testing.assert_array_equal(loaded.certified, proven.certified)
    values = json.loads(path.read_text())
    assert values["certified"] == "10010"
    assert values["certified_accuracy"] == pytest.approx(0.4)
    for name in ("certified", "certified_accuracy"):  # a file of an earlier version
        del values[name]
    path.write_text(json.dumps(values))
    assert evaluation.RobustnessResult.load(path) == plain
    named = {"PGD-10": attacks.PGD(mpat.Linf(0.1))}
    table = evaluation.robustness_table({"a": plain, "b": proven}, named)
    assert cells(table, "[certified, attacked]")[-2:] == ["–", "[40.00, 60.00] %"]
    assert "certified" not in evaluation.robustness_table({"a": plain}, named)


def test_equality_sees_verdicts_and_seed():
    flipped = FLAGS.copy()
    flipped[0] = False
    assert result() == result()
    assert result() != result(robust=flipped)
    assert result() != result(seed=4)
    assert result() != 3


def cells(table, row):
    (line,) = [line for line in table.splitlines() if line.startswith(f"| {row}")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_table():
    ball = mpat.Linf("8/255")
    named = {"PGD-10": attacks.PGD(ball, steps=10, step_size="2/255", restarts=5)}
    better = result(robust=np.array([1, 1, 1, 1, 0], bool))
    table = evaluation.robustness_table({"plain": result(), "MPAT": better}, named)
    assert "n = 5" in table
    assert "PGD-type attacks only, not audited" in table
    assert cells(table, "attack")[-2:] == ["plain", "MPAT"]
    low, high = evaluation.wilson_interval(3, 5)
    plain = f"60.00 ({100 * low:.1f}–{100 * high:.1f})"
    assert cells(table, "PGD-10")[:5] == ["PGD-10", "8/255", "10 × 2/255", "5", plain]
    assert cells(table, "clean")[4].startswith("80.00 (")
    assert cells(table, "**worst")[4] == f"**{plain}**"
    assert cells(table, "zero input gradients")[4] == "20.00 %"
    widths = {line.count("|") for line in table.splitlines() if line.startswith("|")}
    assert len(widths) == 1


@pytest.mark.parametrize(
    ("attack", "expected"),
    [
        (attacks.FGSM(mpat.Linf(0.1)), ["0.1", "1 × 0.1", "1"]),
        (attacks.PGD(mpat.Linf(0.1), steps=50), ["0.1", "50 × 0.005", "1"]),
        (attacks.MIM(mpat.L2(0.5), steps=10), ["0.5", "10 × 0.05", "1"]),
        (attacks.RandomNoise(mpat.Linf(0.3), restarts=9), ["0.3", "–", "9"]),
        (
            attacks.FGSM(mpat.Linf(np.array([0.1, 0.2]))),
            ["per feature", "1 × per feature", "1"],
        ),
    ],
    ids=["fgsm", "default-step", "mim", "noise", "per-feature"],
)
def test_size_of_an_attack_in_a_table(attack, expected):
    assert tables.attack_size(attack) == expected


PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("channels", [1, 3])
def test_picture_of_adversarial_examples(tmp_path, channels):
    plots = pytest.importorskip(
        "keras_mpat.evaluation.plots", exc_type=ImportError, reason="needs matplotlib"
    )
    rng = np.random.default_rng(0)
    images = {row: rng.uniform(size=(3, 8, 8, channels)) for row in ("clean", "PGD")}
    guesses = {"clean": np.array([0, 1, 1]), "PGD": np.array([1, 1, 0])}
    labels = np.array([0, 1, 1])
    path = tmp_path / "sheet.png"
    plots.adversarial_examples(images, guesses, labels, path, title="digits")
    assert path.read_bytes().startswith(PNG)
    assert path.stat().st_size > 2000


def test_picture_of_curves(tmp_path):
    plots = pytest.importorskip(
        "keras_mpat.evaluation.plots", exc_type=ImportError, reason="needs matplotlib"
    )
    path = tmp_path / "curves.png"
    curves = {"plain": [0.99, 0.5, 0.1], "MPAT": [0.98, 0.9, 0.6]}
    plots.robustness_curves([0, 0.1, 0.2], curves, path, trained_at=0.1)
    assert path.read_bytes().startswith(PNG)
    assert path.stat().st_size > 2000


def test_picture_of_epochs(tmp_path):
    plots = pytest.importorskip(
        "keras_mpat.evaluation.plots", exc_type=ImportError, reason="needs matplotlib"
    )
    path = tmp_path / "epochs.png"
    panels = {"plain": {"FGSM": [0.2, 0.9, 1.0], "PGD": [0.2, 0.5, 0.0]}}
    panels["guarded"] = {"PGD": [0.2, 0.5]}
    marks = {"guarded": (2, "rolls back")}
    plots.accuracy_over_epochs(panels, path, marks=marks, title="digits")
    assert path.read_bytes().startswith(PNG)
    assert path.stat().st_size > 2000
