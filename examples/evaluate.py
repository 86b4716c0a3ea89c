"""Attacks the classifier of a finished run, and writes a table and pictures.

    python examples/evaluate.py --run_dir runs/digits_2
    python examples/evaluate.py --run_dir runs/digits_2 --attacks fgsm,pgd10 --limit 200
    python examples/evaluate.py --run_dir runs/digits_2 --attacks autoattack

Works on classifier.keras alone, in a process that has not trained it. Interrupted, the
same command continues. By default the attacks are PGD and its relatives: a first look.
"""

import hashlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from absl import app, flags, logging
from run_directory import read, source, write_whole
from train import length

import keras_mpat as mpat
from keras_mpat import attacks, backend, datasets
from keras_mpat.choices import check_choice
from keras_mpat.evaluation import evaluate_robustness, robustness_table

# Steps are 2.5 epsilon / steps; MIM's are epsilon / steps.
_SUITE = {
    "fgsm": ("FGSM", attacks.FGSM, {}),
    "bim": ("BIM-{}", attacks.BIM, {"steps": 7}),
    "pgd10": ("PGD-{}", attacks.PGD, {"steps": 10}),
    "pgd50": ("PGD-{}×{}", attacks.PGD, {"steps": 50, "restarts": 10}),
    "cw": ("CW-{}", attacks.CW, {"steps": 30}),
    "mim": ("MIM-{}", attacks.MIM, {"steps": 10}),
    "targeted": (
        "PGD-{} to the least likely class",
        attacks.PGD,
        {"steps": 10, "target": attacks.LeastLikely()},
    ),
    "noise": ("random noise ×{}", attacks.RandomNoise, {"restarts": 10}),
}
# Longer and with restarts: what a robustness claim needs at least. Not in the default.
_STRONG = {
    "pgd100": ("PGD-{}×{}", attacks.PGD, {"steps": 100, "restarts": 5}),
    "cw100": ("CW-{}×{}", attacks.CW, {"steps": 100, "restarts": 5}),
}
_ALL = _SUITE | _STRONG
_ALL |= {
    "autoattack": ("", attacks.AutoAttack, {}),
    "strict": ("", attacks.AutoAttack, {"version": "strict"}),
}


def suite(
    epsilon: float | str,
    *,
    names: Sequence[str] = tuple(_SUITE),
    steps_factor: int = 1,
    restarts: int | None = None,
    num_classes: int = 10,
) -> dict[str, attacks.Attack]:
    """The attacks of the table by title.

    Args:
        epsilon: radius of the Linf ball.
        names: which of them: fgsm, bim, pgd10, pgd50, cw, mim, targeted, noise; and
            pgd100, cw100, whose steps are epsilon / 10; autoattack, strict.
        steps_factor: multiplies the steps of all that iterate.
        restarts: replaces the restarts of those that restart.
        num_classes: of the data; AutoAttack has another protocol for two and three.

    Raises:
        ValueError: an unknown name.
    """
    chosen = {}
    for name in names:
        check_choice("attacks", name, _ALL, "Separate several by commas.")
        title, kind, options = _ALL[name]
        options = dict(options)
        if name in _STRONG:
            options["step_size"] = mpat.Linf(epsilon).radius / 10
        if "steps" in options:
            options["steps"] *= steps_factor
        if "restarts" in options and "steps" in options and restarts is not None:
            options["restarts"] = restarts
        counts = [options[key] for key in ("steps", "restarts") if key in options]
        attack = kind(mpat.Linf(epsilon), **options)
        chosen[title.format(*counts) or attack.title(num_classes)] = attack
    return chosen


def evaluate(
    run_dir,
    *,
    chosen: Mapping[str, attacks.Attack],
    limit: int | None = None,
    batch_size: int = 128,
    state_dir=None,
    seed: int = 0,
) -> mpat.evaluation.RobustnessResult:
    """Attacks the test images of a run's data set; continues after an interruption.

    Args:
        run_dir: the folder of a finished run.
        chosen: attacks by title.
        limit: take the first `limit` test images only.
        batch_size: images per batch.
        state_dir: where finished batches are kept; by default in `run_dir`, in a
            folder of its own for each classifier and choice of arguments.
        seed: seed of the attacks' noise.

    Raises:
        ValueError: `run_dir` holds no finished run.
    """
    record, classifier = finished(run_dir)
    if state_dir is None:
        key = repr([sorted(chosen.items()), limit, batch_size, seed]).encode()
        key = hashlib.sha256(key + classifier.read_bytes()).hexdigest()[:16]
        state_dir = Path(run_dir) / "evaluation_state" / key
    x, y, _ = datasets.arrays(split="test", **source(record))
    return evaluate_robustness(
        classifier,
        (x, y),
        chosen,
        limit=limit,
        batch_size=batch_size,
        state_dir=state_dir,
        seed=seed,
        verbose=sys.stdout.isatty(),
    )


def finished(run_dir) -> tuple[dict[str, Any], Path]:
    """The run.json and the classifier of a finished run.

    Raises:
        ValueError: there is none in this folder.
    """
    record, classifier = read(run_dir), Path(run_dir) / "classifier.keras"
    if not (record["finished"] and classifier.exists()):
        raise ValueError(
            f"`run_dir` must hold a finished run. Received: run_dir={run_dir}, whose "
            "training was interrupted. Continue it with the command that began it."
        )
    return record, classifier


def examples(run_dir) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Ten test images of a run's data set: the first of each mode; their classes.

    Returns:
        x (10, H, W, C_in), y (10,), and names of the classes that fit a title.
    """
    where = source(read(run_dir))
    x, y, modes = datasets.arrays(split="test", **where)
    rank = np.zeros(len(modes), int)  # 0 for the first image of its mode, and so on
    for mode in np.unique(modes):
        rank[modes == mode] = np.arange(np.sum(modes == mode))
    rows = np.lexsort((modes, rank))[:10]
    titles = datasets.info(**where).class_names
    if max(map(len, titles)) > 10:
        titles = tuple(str(number) for number in range(len(titles)))
    return x[rows], y[rows], list(titles)


def attacked(run_dir, x, y, epsilons: Sequence[float], *, steps: int = 50) -> list:
    """For each epsilon, PGD's images (N, ...) and the classes (N,) predicted there."""
    classifier = keras.saving.load_model(finished(run_dir)[1], compile=False)
    attack = attacks.PGD(mpat.Linf(1.0), steps=steps)

    def images_and_logits(x, y, epsilon):
        x_adv = attack.scaled(epsilon)(classifier, x, y, seed=0)
        return x_adv, classifier(x_adv, training=False)

    compiled, sheets = backend.function(images_and_logits), []
    convert, to_numpy = keras.ops.convert_to_tensor, keras.ops.convert_to_numpy
    for epsilon in epsilons:  # as a tensor: one trace for all
        arguments = convert(x), convert(y), convert(epsilon, "float32")
        x_adv, logits = map(to_numpy, compiled(*arguments))
        sheets.append((x_adv, np.argmax(logits, axis=-1)))
    return sheets


def draw(run_dir, epsilon: float | str) -> Path:
    """Writes adversarial_examples.png: ten test images at several epsilons."""
    from keras_mpat.evaluation import plots

    x, y, titles = examples(run_dir)
    epsilons = [factor * mpat.Linf(epsilon).radius for factor in (0, 0.5, 1, 1.5)]
    unit, name = (1 / 255, "/255") if isinstance(epsilon, str) else (1, "")
    rows = [f"ε = {value / unit:.3g}{name}" for value in epsilons]
    rows[0] = "clean"
    sheets = attacked(run_dir, x, y, epsilons)
    path = Path(run_dir) / "adversarial_examples.png"
    plots.adversarial_examples(
        {row: images for row, (images, _) in zip(rows, sheets, strict=True)},
        {row: classes for row, (_, classes) in zip(rows, sheets, strict=True)},
        y,
        path,
        title="PGD-50: above each image the predicted class, ✗ where it is wrong",
        class_names=titles,
    )
    return path


def define_flags() -> None:
    """The command line."""
    flags.DEFINE_string("run_dir", None, "Folder of a finished run.", required=True)
    flags.DEFINE_string("epsilon", None, "Radius; default: that of the training.")
    flags.DEFINE_integer("limit", None, "First test images only.", lower_bound=1)
    flags.DEFINE_integer("batch_size", 128, "Images per batch.", lower_bound=1)
    flags.DEFINE_integer("steps_factor", 1, "Multiplies all steps.", lower_bound=1)
    flags.DEFINE_integer("restarts", None, "Replaces theirs.", lower_bound=1)
    flags.DEFINE_list("attacks", list(_SUITE), "Which attacks.")
    flags.DEFINE_integer("seed", 0, "Seed of the attacks' noise.", lower_bound=0)
    flags.DEFINE_string("state_dir", None, "Folder of finished batches.")


def main(arguments: list[str]) -> None:
    """Evaluates as the flags say; prints the table, writes JSON and pictures."""
    if len(arguments) > 1:
        raise app.UsageError(f"Unexpected argument {arguments[1]!r}; flags begin --.")
    given = flags.FLAGS
    try:
        record, _ = finished(given.run_dir)
        epsilon = length(given.epsilon) or record["settings"]["epsilon"]
        counts = {"steps_factor": given.steps_factor, "restarts": given.restarts}
        classes = datasets.info(**source(record)).num_classes
        chosen = suite(epsilon, names=given.attacks, num_classes=classes, **counts)
        options = {name: given[name].value for name in ("limit", "batch_size", "seed")}
        result = evaluate(
            given.run_dir, chosen=chosen, state_dir=given.state_dir, **options
        )
    except (ValueError, FileNotFoundError, ImportError) as error:
        logging.debug("Where the error arose (shown by -v=1)", exc_info=True)
        sys.exit(f"error: {error}")
    radius = mpat.Linf(epsilon).radius
    title = f"Linf {radius:.4g} ({255 * radius:.4g}/255)"
    table = robustness_table({record["settings"]["dataset"]: result}, chosen)
    print(f"{title}, each row says its step\n\n{table}\n")
    given_flags = {**options, **counts, "attacks": given.attacks}
    values = {"epsilon": radius, "flags": given_flags}
    stamp = time.strftime("%Y%m%d-%H%M%S")
    path = Path(given.run_dir) / f"evaluation-{stamp}.json"
    write_whole(path, json.dumps(values | result.to_dict(), indent=1) + "\n")
    print(f"Written: {path}\nPictures: {draw(given.run_dir, epsilon)}")


if __name__ == "__main__":
    define_flags()
    app.run(main)
