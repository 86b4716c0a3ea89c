"""Run directories of tiny nets on digits, made once."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_mpat as mpat
from keras_mpat.evaluation import evaluate_robustness

BALL = mpat.Linf(0.1)
NAME = "<script>mpat</script>"  # a user may call a run anything
MODES = [f"<b>{digit}" for digit in range(10)]


def make_run(folder: Path, *, seed: int, head) -> Path:
    """A folder as examples/train.py and evaluate.py leave it, hardly trained."""
    keras.utils.set_random_seed(seed)
    net = mpat.models.lenet(2, input_shape=(8, 8, 1), filters=(4, 8), units=16)
    strategy = mpat.training.PGDTraining(BALL, steps=1)
    model = mpat.AdversarialModel(net, strategy=strategy, head=head)
    model.compile(optimizer=keras.optimizers.Adam(0.01), metrics=["accuracy"])
    x, y, _ = mpat.datasets.arrays("digits_2", "train")
    model.fit(x[:320], y[:320], batch_size=64, epochs=1, verbose=0)
    folder.mkdir(parents=True)
    model.save(folder / "model.keras")
    model.classifier.save(folder / "classifier.keras")
    history = (
        "epoch,loss,ce_loss,accuracy,val_accuracy\n1,0.9,0.7,0.5,\n2,0.5,0.4,0.8,0.7\n"
    )
    (folder / "history.csv").write_text(history)
    settings = {"dataset": "digits_2", "epochs": 2, "seed": seed, "note": NAME}
    record = {"settings": settings, "epsilon": 0.1, "device": "CPU", "seconds": 60.0}
    (folder / "run.json").write_text(json.dumps(record))
    attack(folder, 40)
    return folder


def attack(folder: Path, limit: int, kind=mpat.attacks.FGSM, epsilon=0.1) -> Path:
    """Writes an evaluation as examples/evaluate.py does."""
    x, y, _ = mpat.datasets.arrays("digits_2", "test")
    attacks = {kind.__name__: kind(mpat.Linf(epsilon))}
    path = folder / f"evaluation-{kind.__name__}-{limit}-{epsilon}.json"
    classifier = folder / "classifier.keras"
    data = (x[:limit], y[:limit])
    result = evaluate_robustness(classifier, data, attacks, verbose=False)
    path.write_text(json.dumps({"epsilon": epsilon} | result.to_dict()))
    return path


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> list[Path]:
    """A run with prototypes, one without a head."""
    root = tmp_path_factory.mktemp("runs")
    merging = {
        "threshold": 0.2,
        "history": [[3, 3], [3, 2]],
        "merges": [],
        "before": np.eye(3)[None].repeat(2, axis=0).tolist(),
        "after": np.eye(3)[None].repeat(2, axis=0).tolist(),
    }
    head = mpat.SoftTripleHead(2, prototypes_per_class=3)
    first = make_run(root / NAME.replace("/", "\N{DIVISION SLASH}"), seed=0, head=head)
    (first / "merging.json").write_text(json.dumps(merging))
    return [first, make_run(root / "plain", seed=1, head=None)]


@pytest.fixture(scope="session")
def images() -> dict:
    """The data of a report: 60 test images, 320 for training."""
    test = [part[:60] for part in mpat.datasets.arrays("digits_2", "test")]
    train = [part[:320] for part in mpat.datasets.arrays("digits_2", "train")[:2]]
    return {"test": test, "train": train}


@pytest.fixture(scope="session")
def page(runs, images, tmp_path_factory) -> Path:
    """A whole report of both, with data."""
    return mpat.evaluation.report(
        runs[0],
        images,
        compare=runs[1:],
        path=tmp_path_factory.mktemp("page") / "report.html",
        class_names=["0-4", "5-9"],
        mode_names=MODES,
        verbose=False,
    )
