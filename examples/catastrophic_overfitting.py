"""Training on one step overfits to that step; a guard sees it and rolls back.

    python examples/catastrophic_overfitting.py

Trains a small LeNet on 10 000 MNIST images with FGSM, without random start, at epsilon
0.2: once only watched, once guarded by `action="roll_back"`. The guarded net then goes
on with PGD-7 for the epochs that are left. Prints a table over test images, writes the
figures as JSON and draws the accuracy over the epochs. Some minutes on two cores.
"""

import json
import sys
import time
from pathlib import Path

import keras
from absl import app, flags

import keras_mpat as mpat
from keras_mpat import attacks
from keras_mpat.evaluation import evaluate_robustness, plots, robustness_table

BALL = mpat.Linf(0.2)
ONE_STEP = mpat.training.AdversarialTraining(attacks.FGSM(BALL))
SEVERAL_STEPS = mpat.training.PGDTraining(BALL, steps=7)
JUDGES = {
    "FGSM": attacks.FGSM(BALL),
    "PGD-50 x 2": attacks.PGD(BALL, steps=50, step_size=0.02, restarts=2),
}
CURVES = {
    "training batches, attacked": "accuracy",
    "probe, FGSM": "probe_fgsm_accuracy",
    "probe, PGD-10": "probe_robust_accuracy",
}
BATCH, PROBE, RATE = 128, 256, 5e-3


def train(classifier, strategy, data, probe, *, action: str, epochs: int):
    """(curves, guard, seconds) of one training with a guard."""
    model = mpat.AdversarialModel(classifier, strategy=strategy)
    rate = mpat.schedules.CyclicLearningRate(
        RATE / 100, RATE, epochs * (len(data[0]) // BATCH)
    )
    model.compile(keras.optimizers.Adam(rate), metrics=["accuracy"])
    guard = mpat.callbacks.CatastrophicOverfittingGuard(*probe, action=action)
    started = time.perf_counter()
    history = model.fit(
        *data, batch_size=BATCH, epochs=epochs, callbacks=[guard], verbose=2
    ).history
    curves = {name: history[key] for name, key in CURVES.items()}
    return curves, guard, time.perf_counter() - started


def compare(folder: Path, *, epochs: int, limit: int, test_limit: int, data_dir) -> str:
    """Trains without and with the guard; returns the table, writes JSON and picture."""
    folder.mkdir(parents=True, exist_ok=True)
    data, probe, test = (
        tuple(part[:count] for part in _arrays(split, data_dir))
        for split, count in (
            ("train", limit),
            ("validation", PROBE),
            ("test", test_limit),
        )
    )
    panels, marks, results, seconds = {}, {}, {}, {}

    def judge(name, classifier):
        results[name] = evaluate_robustness(classifier, test, JUDGES, verbose=False)

    print("FGSM training, watched only")
    net = _net()
    curves, guard, seconds["FGSM"] = train(
        net, ONE_STEP, data, probe, action="warn", epochs=epochs
    )
    panels["FGSM training"] = curves
    if guard.events:
        marks["FGSM training"] = (guard.events[0].epoch, "warns")
    judge("FGSM", net)

    print("FGSM training, guarded")
    net, panel = _net(), "FGSM, rolled back, then PGD-7"
    curves, guard, seconds["rolled back"] = train(
        net, ONE_STEP, data, probe, action="roll_back", epochs=epochs
    )
    judge("rolled back", net)
    panels[panel] = curves
    left = epochs - len(curves["probe, PGD-10"])
    if guard.events:
        marks[panel] = (guard.events[0].epoch, "rolls back")
    if left:
        print(f"PGD training from the weights rolled back to, {left} epochs")
        more, _, seconds["then PGD-7"] = train(
            net, SEVERAL_STEPS, data, probe, action="warn", epochs=left
        )
        panels[panel] = {name: [*curves[name], *more[name]] for name in CURVES}
        judge("then PGD-7", net)
    plots.accuracy_over_epochs(
        panels,
        folder / "catastrophic_overfitting.png",
        marks=marks,
        title=f"MNIST, Linf {BALL.epsilon}: one gradient step, and a guard",
    )
    _write(folder / "curves.json", panels, marks, results, seconds)
    return robustness_table(results, JUDGES)


def _net():
    keras.utils.set_random_seed(0)  # of the weights and of the order of the data
    return mpat.models.lenet(10)


def _arrays(split: str, data_dir):
    return mpat.datasets.arrays("mnist", split, data_dir=data_dir)[:2]


def _write(path: Path, panels, marks, results, seconds) -> None:
    record = {
        "curves": panels,
        "events": {panel: epoch for panel, (epoch, _) in marks.items()},
        "test": {
            name: {
                "n": result.n,
                "clean": result.clean_accuracy,
                **{stage.name: stage.accuracy for stage in result.stages},
            }
            for name, result in results.items()
        },
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
    }
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def main(_) -> None:
    """Runs the comparison as the flags say."""
    mpat.keep_memory()
    given = flags.FLAGS
    try:
        table = compare(
            Path(given.run_dir),
            epochs=given.epochs,
            limit=given.limit,
            test_limit=given.test_limit,
            data_dir=given.data_dir,
        )
    except (ValueError, ImportError) as error:
        sys.exit(f"error: {error}")
    print(f"\n{table}\n\nFigures and picture: {given.run_dir}")


if __name__ == "__main__":
    flags.DEFINE_string("run_dir", "runs/catastrophic_overfitting", "Where it goes.")
    flags.DEFINE_integer("epochs", 12, "Passes over the data.", lower_bound=1)
    flags.DEFINE_integer("limit", 10_000, "Training images.", lower_bound=BATCH)
    flags.DEFINE_integer("test_limit", 1000, "Test images to attack.", lower_bound=1)
    flags.DEFINE_string("data_dir", None, "Folder of tensorflow-datasets.")
    app.run(main)
