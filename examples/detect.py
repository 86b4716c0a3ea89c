"""Detects the errors of a finished run: from its latent space, under stronger attacks.

    python examples/detect.py --run_dir runs/mnist
    python examples/detect.py --run_dir runs/mnist --epsilon 0.4 --limit 1000

Fits a detector to the embeddings of the clean training images, sets its threshold on
clean validation images, and looks at the clean test images together with the same
images under attack, at a radius beyond that of the training: by PGD, which does not
know the detector, and by an attack that does. Writes into the run directory:

detection.json    areas, rates and settings, of each attack
roc.csv, roc.png  the curves
detector.npz      the detector, for `Detector.load`
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from absl import app, flags, logging
from run_directory import finished, source
from train import length

import keras_mpat as mpat
from keras_mpat import attacks, datasets
from keras_mpat.evaluation import (
    DetectionResult,
    Detector,
    DetectorAttack,
    Judged,
    attacked,
    embeddings,
    evaluate_detection,
    worst_judged,
)
from keras_mpat.evaluation.curves import write_rows
from keras_mpat.files import write_json

# Mao et al. (TLA), Figure 5: radius and PGD's steps. Training there had 0.03 and 8/255.
_USUAL = {"mnist": (0.3, 100), "digits": (0.3, 100)}
_OTHERS = ("25/255", 20)
_STRONGER = 1.25  # than the training, at least
OBLIVIOUS, ADAPTIVE = "PGD", "adaptive, worst case"


class Attacked(NamedTuple):
    """Which radius, which steps."""

    epsilon: float
    steps: int


def usual(record: dict[str, Any]) -> Attacked:
    """TLA's attack for the data set of a run, or 1.25 times its radius if larger."""
    settings = record["settings"]
    family = settings["dataset"].split("_")[0]
    epsilon, steps = _USUAL.get(family, _OTHERS)
    trained = mpat.Linf(settings["epsilon"]).radius if settings["epsilon"] else 0.0
    return Attacked(max(mpat.Linf(epsilon).radius, _STRONGER * trained), steps)


def detect(
    run_dir,
    attack: Attacked,
    *,
    covariance: str = "full",
    fpr: float = 0.05,
    limit: int | None = None,
    adaptive_steps: int = 100,
    seed: int = 0,
) -> tuple[Detector, dict[str, DetectionResult]]:
    """Fits a detector to a run, and asks it about test images under two attacks.

    Args:
        run_dir: the folder of a finished run.
        attack: radius and steps of PGD, whose step is 2.5 epsilon / steps.
        covariance: as in `Detector`.
        fpr: share of right answers on clean images that the threshold may reject.
        limit: first test images only.
        adaptive_steps: of the attack that knows the detector.
        seed: of both attacks' noise.

    Raises:
        ValueError: `run_dir` holds no finished run, or an argument is out of range.
    """
    record, _ = finished(run_dir)
    detector = Detector(covariance)
    ball = mpat.Linf(attack.epsilon)
    model = keras.saving.load_model(Path(run_dir) / "model.keras", compile=False)
    limits = {"train": record["settings"]["train_examples"], "test": limit}
    data = {
        split: [a[: limits.get(split)] for a in _arrays(record, split)]
        for split in ("train", "validation", "test")
    }
    x, y = data["train"]
    detector.fit(embeddings(model, x), y)
    x, y = data["validation"]
    predicted, _ = _judge(model, detector, x)
    detector.calibrate(embeddings(model, x[predicted == y]), fpr=fpr)
    x, y = data["test"]
    knowing = DetectorAttack.against(model, detector, ball, steps=adaptive_steps)
    judged = [_judge(model, detector, x)]
    for one in (attacks.PGD(ball, steps=attack.steps), knowing):
        judged.append(_judge(model, detector, attacked(model, x, y, one, seed=seed)))
    clean, oblivious, adaptive = judged
    worst, _ = worst_judged(oblivious, adaptive, y)
    found = {OBLIVIOUS: oblivious, ADAPTIVE: worst}
    where = {"threshold": detector.threshold, "fpr": fpr}
    return detector, {
        name: evaluate_detection(clean, one, y, **where) for name, one in found.items()
    }


def _arrays(record: dict[str, Any], split: str):
    return datasets.arrays(split=split, **source(record))[:2]


def _judge(model, detector: Detector, x) -> Judged:
    logits = model.predictor.predict(x, batch_size=128, verbose=0)
    return Judged(np.argmax(logits, axis=-1), detector.score(embeddings(model, x)))


def write(run_dir, detector: Detector, results, values: dict[str, Any]) -> list[Path]:
    """Writes what the head of this file lists; returns where."""
    from keras_mpat.evaluation import plots

    folder = Path(run_dir)
    names = ("detection.json", "roc.csv", "roc.png", "detector.npz")
    paths = [folder / name for name in names]
    found = {name: result.to_dict() for name, result in results.items()}
    whole = values | {"detector": repr(detector), "results": found}
    write_json(paths[0], whole)
    write_rows(_points(results), paths[1])
    curves = {name: result.curve for name, result in results.items()}
    title = f"{values['dataset']}, clean and at ε = {values['epsilon']:.3g}"
    plots.roc_curves({title: curves}, paths[2])
    detector.save(paths[3])
    return paths


def _points(results) -> Sequence[dict[str, Any]]:
    return [
        {"attack": name, "threshold": threshold, "fpr": fpr, "tpr": tpr}
        for name, result in results.items()
        for threshold, fpr, tpr in zip(
            -result.curve.thresholds,
            result.curve.false_positive_rate,
            result.curve.true_positive_rate,
            strict=True,
        )
    ]


def table(results: dict[str, DetectionResult]) -> str:
    """Both attacks as lines of Markdown."""
    head = "attack|AUC|wrong under attack|rejected of right|of wrong|wrong and accepted"
    rows = [head.split("|"), ["---"] * 6]
    for name, result in results.items():
        shares = (result.adversarial_errors, result.fpr, result.tpr, result.escaped)
        told = [f"{100 * share:.1f} %" for share in shares]
        rows.append([name, f"{result.auc:.3f}", *told])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def define_flags() -> None:
    """The command line."""
    flags.DEFINE_string("run_dir", None, "Folder of a finished run.", required=True)
    flags.DEFINE_string("epsilon", None, "Radius; default: TLA's, beyond the training.")
    flags.DEFINE_integer("steps", None, "Of PGD; default: TLA's.", lower_bound=1)
    flags.DEFINE_string("covariance", "full", "full, tied or diagonal.")
    flags.DEFINE_float("fpr", 0.05, "Share of right answers that may be rejected.")
    flags.DEFINE_integer("limit", None, "First test images only.", lower_bound=1)
    flags.DEFINE_integer(
        "adaptive_steps", 100, "Of the adaptive attack.", lower_bound=1
    )
    flags.DEFINE_integer("seed", 0, "Seed of the attacks' noise.", lower_bound=0)


def main(arguments: list[str]) -> None:
    """Detects as the flags say."""
    if len(arguments) > 1:
        raise app.UsageError(f"Unexpected argument {arguments[1]!r}; flags begin --.")
    given = flags.FLAGS
    names = "covariance", "fpr", "limit", "adaptive_steps", "seed"
    options = {name: given[name].value for name in names}
    try:
        record, _ = finished(given.run_dir)
        attack = usual(record)
        if given.epsilon is not None:
            attack = attack._replace(epsilon=mpat.Linf(length(given.epsilon)).radius)
        attack = attack._replace(steps=given.steps or attack.steps)
        detector, results = detect(given.run_dir, attack, **options)
        values = {"dataset": record["settings"]["dataset"], **attack._asdict()}
        paths = write(given.run_dir, detector, results, values | options)
    except (ValueError, FileNotFoundError, ImportError) as error:
        logging.debug("Where the error arose (shown by -v=1)", exc_info=True)
        sys.exit(f"error: {error}")
    print(f"Linf {attack.epsilon:.4g}, PGD-{attack.steps}\n\n{table(results)}\n")
    print("Written:", *paths, sep="\n  ")


if __name__ == "__main__":
    define_flags()
    app.run(main)
