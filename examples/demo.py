"""The whole job in three minutes: train, attack, compare, look at the pictures.

    python examples/demo.py

On scanned digits (below five or not), trains one net the standard way and one with
MPAT-PGD: the same net, seed and epochs. Both are then attacked. Run again, it prints
the result at once; interrupted, it continues.
"""

import sys
import time
from pathlib import Path

import settings as run_settings
from absl import app, flags, logging
from evaluate import attacked, evaluate, examples, suite
from train import report, train

import keras_mpat as mpat
from keras_mpat import attacks
from keras_mpat.evaluation import plots, robustness_table

_DATASET = "digits_2"
_NETS = {
    "standard": {"strategy": "standard", "head": "none"},
    "MPAT-PGD": {"strategy": "pgd", "head": "soft_triple"},
}
_ATTACKS = ("noise", "fgsm", "pgd10", "pgd50", "cw")
_PICTURE_EPSILONS = (0.0, 0.05, 0.1, 0.15)
_CURVE_EPSILONS = (0.025, 0.05, 0.075, 0.1, 0.15, 0.2)


def demo(run_dir, *, epochs: int | None, restarts: int, limit: int | None) -> None:
    """Trains both nets, prints the table and draws the pictures.

    Args:
        run_dir: where the two runs and the pictures go.
        epochs: passes over the data; `None`: the default of the data set.
        restarts: of PGD-50.
        limit: test images to attack; `None`: all.
    """
    run_dir, runs = Path(run_dir), {}
    for name, choice in _NETS.items():
        runs[name] = run_dir / name.lower()
        chosen = {"dataset": _DATASET, "epochs": epochs, **choice}
        settings = run_settings.resolve(chosen)
        print(f"\n{name}: training {settings.model}, {settings.epochs} epochs")
        print(report(train(settings, runs[name]), runs[name]).splitlines()[0])
    epsilon = settings.epsilon
    print("\nAttacking both on test images they have not seen ...", flush=True)
    chosen = suite(epsilon, names=_ATTACKS, restarts=restarts)
    results = {
        name: evaluate(run, chosen=chosen, limit=limit) for name, run in runs.items()
    }
    print(f"\n{robustness_table(results, chosen)}\n")
    pictures = [draw_examples(runs, run_dir / "adversarial_examples.png")]
    curves = {name: curve(run, results[name], limit) for name, run in runs.items()}
    pictures.append(run_dir / "robustness_curves.png")
    plots.robustness_curves(
        (0.0, *_CURVE_EPSILONS),
        curves,
        pictures[-1],
        trained_at=epsilon,
        title=f"{_DATASET}: accuracy under PGD-20",
    )
    print("Pictures:", *pictures, sep="\n  ")


def draw_examples(runs: dict[str, Path], path: Path) -> Path:
    """One row per net and epsilon, each net attacked for itself."""
    images, predictions = {}, {}
    x, y, titles = examples(runs["standard"])
    for name, run in runs.items():
        sheets = attacked(run, x, y, _PICTURE_EPSILONS)
        for epsilon, sheet in zip(_PICTURE_EPSILONS, sheets, strict=True):
            row = f"{name}\nε = {epsilon:g}" if epsilon else f"{name}\nclean"
            images[row], predictions[row] = sheet
    plots.adversarial_examples(
        images,
        predictions,
        y,
        path,
        title="PGD-50 against each net: above each image the predicted class, "
        "✗ where it is wrong",
        class_names=titles,
    )
    return path


def curve(run: Path, result: mpat.evaluation.RobustnessResult, limit) -> list[float]:
    """Accuracy of a run under PGD-20, clean first, then at each epsilon."""
    by_epsilon = {
        f"PGD-20 at {epsilon:g}": attacks.PGD(mpat.Linf(epsilon), steps=20)
        for epsilon in _CURVE_EPSILONS
    }
    stages = evaluate(run, chosen=by_epsilon, limit=limit).stages
    return [result.clean_accuracy, *(stage.accuracy for stage in stages)]


def define_flags() -> None:
    """The command line."""
    flags.DEFINE_string("run_dir", "runs/demo", "Where runs and pictures go.")
    flags.DEFINE_integer("epochs", None, "Passes over the data.", lower_bound=1)
    flags.DEFINE_integer("restarts", 5, "Restarts of PGD-50.", lower_bound=1)
    flags.DEFINE_integer("limit", None, "First test images only.", lower_bound=1)


def main(arguments: list[str]) -> None:
    """Runs the demo as the flags say."""
    if len(arguments) > 1:
        raise app.UsageError(f"Unexpected argument {arguments[1]!r}; flags begin --.")
    given, started = flags.FLAGS, time.perf_counter()
    options = {name: given[name].value for name in ("epochs", "restarts", "limit")}
    try:
        demo(given.run_dir, **options)
    except (ValueError, ImportError) as error:
        logging.debug("Where the error arose (shown by -v=1)", exc_info=True)
        sys.exit(f"error: {error}")
    print(f"Finished in {time.perf_counter() - started:.0f} s.")


if __name__ == "__main__":
    define_flags()
    app.run(main)
