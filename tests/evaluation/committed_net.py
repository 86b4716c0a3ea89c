"""A net of this package, 100 MNIST images, and what our attacks said of them.

    python -m tests.evaluation.committed_net    # attacks anew and writes verdicts.json

The net is the one of the README's MNIST table (LeNet 32/64/100, SoftTriple head, PGD-7,
22 epochs, epsilon 0.3), trained again; the images are the first of the test set.
"""

import json
from pathlib import Path

import keras
import numpy as np

import keras_mpat as mpat
from keras_mpat import attacks

FOLDER = Path(__file__).resolve().parent / "mnist"
BALL = mpat.Linf(0.3)
QUICK, FEW = "APGD and FAB", 30
SUITES = {
    QUICK: {
        "APGD-CE": attacks.APGD(BALL, steps=50),
        "FAB-T": attacks.FAB(BALL, steps=30, target_classes=3),
    },
    "AutoAttack": {"AutoAttack": attacks.AutoAttack(BALL)},
}


def images(count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first of them, (N, 28, 28, 1) in [0, 1], and their digits."""
    with np.load(FOLDER / "images.npz", allow_pickle=False) as stored:
        x, y = stored["x"][:count], stored["y"][:count]
    return (x[..., None] / 255).astype("float32"), y.astype("int32")


def attacked(suite: str, count: int) -> dict[str, str]:
    """Verdicts after each part, as strings of 0 and 1; `clean` and `robust`, too."""
    net = keras.saving.load_model(FOLDER / "classifier.keras", compile=False)
    result = mpat.evaluation.evaluate_robustness(
        net, images(count), SUITES[suite], batch_size=count, verbose=False
    )
    parts = [part for stage in result.stages for part in stage.parts]
    rows = {"clean": result.clean, "robust": result.robust}
    rows |= {part.name: part.correct for part in parts}
    return {name: "".join("01"[int(v)] for v in row) for name, row in rows.items()}


def stored() -> dict[str, dict[str, str]]:
    """Verdicts by suite, as they were written."""
    return json.loads((FOLDER / "verdicts.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    counts = {QUICK: FEW, "AutoAttack": 100}
    found = {suite: attacked(suite, count) for suite, count in counts.items()}
    text = json.dumps(found, indent=1) + "\n"
    (FOLDER / "verdicts.json").write_text(text, encoding="utf-8")
    for suite, rows in found.items():
        print(suite, {name: row.count("1") for name, row in rows.items()})
