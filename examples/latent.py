"""Looks into the latent space of a finished run: what an attack does to embeddings.

    python examples/train.py --dataset digits_2 --run_dir runs/digits_2
    python examples/latent.py --run_dir runs/digits_2
    python examples/latent.py --run_dir runs/digits_2 --method pca --limit 200

Test images are attacked (by default PGD-20 at the epsilon of the training) and embedded
before and after; the neighbors of the k-nearest-neighbor classifier are training images
without an attack. Interrupted, the same command continues. Writes into --results_dir,
by default the folder "latent" of the run:

latent.json       r and its twin, kNN, precision of retrieval, accuracies, confusion
latent.md         the same as tables
latent.npz        embeddings, predictions and adversarial images: LatentSet.load
*.csv             classes, modes, ratios, precision, confusion
retrieval.png     queries without and under attack, and the nearest test images
map.png           t-SNE or principal components, with the prototypes
map_pair.png      the same of the class that is most often taken for another one
confusion.png     which class is taken for which
"""

import csv
import io
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
from absl import app, flags, logging
from evaluate import state_folder, suite
from latent_pictures import draw
from run_directory import finished, source
from train import length

from keras_mpat import attacks, datasets
from keras_mpat import evaluation as ev
from keras_mpat.files import write_json, write_text


def analyze(
    run_dir,
    attack: attacks.Attack,
    *,
    limit: int | None = None,
    reference: int | None = None,
    neighbors: int = 50,
    count: int = 4,
    batch_size: int = 128,
    seed: int = 0,
) -> tuple[ev.LatentSet, dict[str, Any], ev.Retrieval, ev.Retrieval]:
    """Attacks and embeds the test images of a run, and measures its latent space.

    Args:
        run_dir: the folder of a finished run.
        attack: the attack.
        limit: take the first `limit` test images only.
        reference: take the first training images only, as neighbors.
        neighbors: K of the k-nearest-neighbor classifier.
        count: images per query of the retrieval.
        batch_size: images per batch.
        seed: of the attack's noise.

    Returns:
        The embeddings, all figures as JSON values, and what clean and adversarial
        queries find among the other clean test images.

    Raises:
        ValueError: `run_dir` holds no finished run, or a number out of range.
    """
    record, _ = finished(run_dir)
    model = keras.saving.load_model(Path(run_dir) / "model.keras", compile=False)
    x, y, modes = (a[:limit] for a in datasets.arrays(split="test", **source(record)))
    options = {"batch_size": batch_size, "seed": seed}
    state_dir = state_folder(run_dir, {"latent": attack}, options | {"limit": limit})
    verbose = sys.stdout.isatty()
    options |= {"modes": modes, "state_dir": state_dir, "verbose": verbose}
    found = ev.latent_set(model, x, y, attack, keep_examples=True, **options)
    trained = record["settings"]["train_examples"]
    limits = [number for number in (reference, trained) if number is not None]
    x, y, _ = datasets.arrays(split="train", **source(record))
    x, y = x[: min(limits, default=None)], y[: min(limits, default=None)]
    near = ev.embeddings(model, x, batch_size=batch_size)
    y = y.astype("int64")
    queries = {"clean": found.clean, "adversarial": found.adversarial}
    knn: dict[str, Any] = {"neighbors": neighbors, "reference": len(near)}
    retrieved = {}
    for name, points in queries.items():
        knn[name] = ev.knn_accuracy(
            near, y, points, found.y, neighbors=neighbors, verbose=verbose
        )
        retrieved[name] = ev.retrieve(
            *(found.clean, found.y, points, found.y),
            count=count,
            exclude=np.arange(len(points)),
            verbose=verbose,
        )
    values = {"dataset": record["settings"]["dataset"], **found.to_dict(), "knn": knn}
    values["retrieval"] = {name: r.to_dict() for name, r in retrieved.items()}
    return found, values | _figures(found), *retrieved.values()


def _figures(found: ev.LatentSet) -> dict[str, Any]:
    """What needs no more than the embeddings and predictions."""
    predicted = {"clean": found.clean_predicted}
    predicted["adversarial"] = found.adversarial_predicted
    ratio = ev.adversarial_ratio(
        *(found.clean, found.y, found.adversarial, found.adversarial_predicted),
        num_classes=found.num_classes,
    )
    return {
        "ratio": ratio.to_dict(),
        "classes": ev.class_accuracies(found).to_dict(),
        "modes": ev.mode_accuracies(found).to_dict(),
        "confusion": {
            name: ev.confusion(found.y, classes, found.num_classes).tolist()
            for name, classes in predicted.items()
        },
    }


def report(found: ev.LatentSet, values: dict[str, Any], info) -> str:
    """The figures in words and tables, as Markdown."""
    knn, ratio = values["knn"], values["ratio"]
    precision = [values["retrieval"][n]["precision"] for n in ("clean", "adversarial")]
    first, last = ([f"{100 * p[k]:.2f}" for p in precision] for k in (0, -1))
    lines = [
        f"# Latent space\n\n{info.name}, {values['n']} test images, {found.attack}.\n",
        "| | clean | under attack |\n| --- | --- | --- |",
        f"| accuracy | {100 * values['clean_accuracy']:.2f} "
        f"| {100 * values['robust_accuracy']:.2f} |",
        f"| {knn['neighbors']} nearest of {knn['reference']} training images "
        f"| {100 * knn['clean']:.2f} | {100 * knn['adversarial']:.2f} |",
        f"| nearest test image is of the class | {first[0]} | {first[1]} |",
        f"| share of the class among the {len(precision[0])} nearest "
        f"| {last[0]} | {last[1]} |\n",
        f"Ratio r of distances to the false class: {_number(ratio['false_class'])}; "
        f"of the same images to their true class: {_number(ratio['true_class'])}.\n",
        ev.accuracy_table(ev.class_accuracies(found), names=info.class_names),
    ]
    if info.mode_names != info.class_names:
        modes = ev.mode_accuracies(found)
        lines += ["", ev.accuracy_table(modes, names=info.mode_names, title="mode")]
    return "\n".join(lines) + "\n"


def _number(ratios: dict[str, Any]) -> str:
    value, skipped = ratios["ratio"], ratios["skipped"]
    text = "undefined" if value is None else f"{value:.4f}"
    return f"{text} ({skipped} classes skipped)" if skipped else text


def write_tables(folder: Path, values: dict[str, Any], info) -> None:
    """The figures as CSV files."""
    for name, names in (("classes", info.class_names), ("modes", info.mode_names)):
        part = values[name]
        keys = [key for key in part if key != "groups"]
        rows = zip(*(part[key] for key in keys), strict=True)
        labels = [names[group] for group in part["groups"]]
        pairs = [[label, *row] for label, row in zip(labels, rows, strict=True)]
        _write_csv(folder / f"{name}.csv", [name, *keys], pairs)
    false, true = (values["ratio"][key] for key in ("false_class", "true_class"))
    columns = [info.class_names, false["within"]]
    for part in (false, true):
        columns += [part[key] for key in ("counts", "to_class", "per_class")]
    head = "class within false_count to_false r_false true_count to_true r_true".split()
    _write_csv(folder / "ratios.csv", head, zip(*columns, strict=True))
    precision = [values["retrieval"][n]["precision"] for n in ("clean", "adversarial")]
    rows = [[k + 1, *row] for k, row in enumerate(zip(*precision, strict=True))]
    _write_csv(folder / "precision.csv", ["k", "clean", "adversarial"], rows)
    for name, counts in values["confusion"].items():
        pairs = zip(info.class_names, counts, strict=True)
        rows = [[label, *row] for label, row in pairs]
        head = ["true", *info.class_names]
        _write_csv(folder / f"confusion_{name}.csv", head, rows)


def _write_csv(path: Path, head, rows) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([head, *rows])
    write_text(path, text.getvalue())


def define_flags() -> None:
    """The command line."""
    flags.DEFINE_string("run_dir", None, "Folder of a finished run.", required=True)
    flags.DEFINE_string("results_dir", None, "Default: latent in the run's folder.")
    flags.DEFINE_string("attack", "pgd10", "One attack of examples/evaluate.py.")
    flags.DEFINE_integer("steps_factor", 2, "Multiplies its steps.", lower_bound=1)
    flags.DEFINE_string("epsilon", None, "Radius; default: that of the training.")
    flags.DEFINE_integer("limit", None, "First test images only.", lower_bound=1)
    flags.DEFINE_integer("reference", None, "First training images.", lower_bound=1)
    flags.DEFINE_integer("neighbors", 50, "K of the kNN classifier.", lower_bound=1)
    flags.DEFINE_integer("count", 4, "Images per query.", lower_bound=1)
    flags.DEFINE_integer("queries", 3, "Queries on the picture.", lower_bound=1)
    flags.DEFINE_integer("batch_size", 128, "Images per batch.", lower_bound=1)
    flags.DEFINE_integer("seed", 0, "Of the attack and of t-SNE.", lower_bound=0)
    flags.DEFINE_enum("method", "tsne", ["tsne", "pca"], "Of the maps.")
    flags.DEFINE_integer("points", 1000, "Test images on a map.", lower_bound=3)
    flags.DEFINE_integer("iterations", 5000, "Of t-SNE.", lower_bound=250)


_OPTIONS = "limit reference neighbors count batch_size seed".split()


def main(arguments: list[str]) -> None:
    """Analyzes as the flags say; writes figures, tables and pictures."""
    if len(arguments) > 1:
        raise app.UsageError(f"Unexpected argument {arguments[1]!r}; flags begin --.")
    given = flags.FLAGS
    try:
        record, _ = finished(given.run_dir)
        info = datasets.info(**source(record))
        epsilon = length(given.epsilon) or record["settings"]["epsilon"]
        size = {"steps_factor": given.steps_factor, "num_classes": info.num_classes}
        (attack,) = suite(epsilon, names=[given.attack], **size).values()
        options = {name: given[name].value for name in _OPTIONS}
        found, values, *retrieved = analyze(given.run_dir, attack, **options)
        folder = Path(given.results_dir or Path(given.run_dir) / "latent")
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "latent.json", values)
        text = report(found, values, info)
        write_text(folder / "latent.md", text)
        write_tables(folder, values, info)
        found.save(folder / "latent.npz")
        print(text)
        options = {n: given[n].value for n in "method points iterations seed".split()}
        options["queries"] = given.queries
        pictures = draw(given.run_dir, folder, found, *retrieved, **options)
    except (ValueError, FileNotFoundError, ImportError) as error:
        logging.debug("Where the error arose (shown by -v=1)", exc_info=True)
        sys.exit(f"error: {error}")
    print("Written:", folder / "latent.json", *pictures, sep="\n  ")


if __name__ == "__main__":
    define_flags()
    app.run(main)
