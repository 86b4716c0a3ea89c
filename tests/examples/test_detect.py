"""examples/detect.py: what it writes for a tiny run, and which attack it chooses."""

import csv
import json

import detect
import numpy as np
import pytest
import settings
import train

from keras_mpat.evaluation import Detector


@pytest.fixture(scope="module")
def run_dir(tiny, tmp_path_factory):
    """A finished run."""
    folder = tmp_path_factory.mktemp("run")
    train.train(settings.resolve(tiny), folder)
    return folder


def test_a_run_gets_a_detector_and_its_curves(run_dir):
    attack = detect.Attacked(0.3, 3)
    options = {"limit": 60, "adaptive_steps": 5, "fpr": 0.1}
    detector, results = detect.detect(run_dir, attack, **options)
    names = ["PGD", "adaptive, worst case"]
    assert list(results) == names
    oblivious, adaptive = results.values()
    assert oblivious.n == adaptive.n == 120
    assert adaptive.adversarial_errors >= oblivious.adversarial_errors
    assert adaptive.escaped >= oblivious.escaped
    assert oblivious.threshold == adaptive.threshold == detector.threshold
    assert oblivious.fpr == adaptive.fpr
    paths = detect.write(run_dir, detector, results, {"dataset": "d", "epsilon": 0.3})
    assert all(path.stat().st_size for path in paths)
    values = json.loads(paths[0].read_text())
    assert values["results"]["PGD"]["auc"] == oblivious.auc
    with open(paths[1], encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    own = [float(row["tpr"]) for row in rows if row["attack"] == "PGD"]
    np.testing.assert_array_equal(own, oblivious.curve.true_positive_rate)
    assert Detector.load(paths[3]) == detector
    text = detect.table(results)
    assert text.count("\n") == 3 and f"{oblivious.auc:.3f}" in text


@pytest.mark.parametrize(
    ("dataset", "epsilon", "expected"),
    [
        ("mnist", 0.03, (0.3, 100)),
        ("mnist_2", 0.3, (0.375, 100)),
        ("cifar10", "8/255", (25 / 255, 20)),
        ("digits", None, (0.3, 100)),
    ],
)
def test_the_usual_attack_is_stronger_than_the_training(dataset, epsilon, expected):
    record = {"settings": {"dataset": dataset, "epsilon": epsilon}}
    assert detect.usual(record) == pytest.approx(expected)


def test_an_unfinished_run_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`run_dir` must be the folder of a run"):
        detect.detect(tmp_path, detect.Attacked(0.3, 3))
