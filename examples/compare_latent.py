"""TLA's latent analyses for several trainings: its Tables 2 and 3, and Figure 5.

    python examples/compare_latent.py --run_dir runs/latent --results results/latent

Trains each method at epsilon 0.3 and at 0.03, and attacks all test images at both. Of
the nets trained at 0.3: the ratio r and the nearest neighbors; of those trained at
0.03: how well one Gaussian per class finds errors at 0.3, also against an attack that
knows it. One small file per finished cell, and table.md. The same command continues
after an interruption; `--parts 2 --part 0` beside `--parts 2 --part 1` share the cells.
"""

import sys
from pathlib import Path
from typing import Any

import cells as comparison
import keras
import numpy as np
import papers
import settings as run_settings
import train as training_script
from absl import app, flags
from latent_pictures import draw
from run_directory import source

import keras_mpat as mpat
from keras_mpat import attacks, datasets
from keras_mpat import evaluation as ev
from keras_mpat.files import write_text

METHODS: dict[str, dict[str, Any]] = {
    "standard": {"strategy": "standard", "head": "none"},
    "PGD (AT)": {"strategy": "pgd", "head": "none"},
    "ALP": {"strategy": "logit_pairing"},
    "TLA": {"strategy": "pgd", "head": "triplet"},
    "MPAT, K = 5": {"strategy": "pgd", "head": "soft_triple"},
}
TRAINED = {0.3: 6, 0.03: 3}  # epochs
SMALL, LARGE = 0.03, 0.3
COMMON = {"dataset": "mnist", "schedule": "cyclic", "learning_rate": 0.1}
# Their names in the paper's Tables 2 and 3.
PUBLISHED = {"standard": "UM", "PGD (AT)": "AT", "ALP": "ALP", "TLA": "TLA"}


def cells() -> dict[tuple[str, float], run_settings.Settings]:
    """Settings by (method, epsilon of the training)."""
    found = {}
    for epsilon, epochs in TRAINED.items():
        for method, given in METHODS.items():
            chosen = COMMON | given | {"epochs": epochs, "epsilon": epsilon}
            chosen["regularizer"] = "none"
            if method != "standard":
                chosen |= {"steps": 7, "warmup_epochs": 1}
            found[method, epsilon] = run_settings.resolve(chosen)
    return found


def measure(
    settings,
    run_dir: Path,
    *,
    data_dir,
    limit,
    known: int,
    radii=((SMALL, 20), (LARGE, 100)),
    pictures: Path | None = None,
    method: str = "tsne",
) -> dict[str, Any]:
    """Trains and analyzes one cell.

    Args:
        settings: of the run.
        run_dir: its folder.
        data_dir: folder of prepared data.
        limit: first test images only; `None`: all.
        known: first test images of the attack that knows the detector.
        radii: pairs (epsilon, steps) of PGD; the detector is asked at the last.
        pictures: where the pictures of the last radius go; `None`: there are none.
        method: of the maps, "tsne" or "pca".
    """
    record = training_script.train(settings, run_dir, data_dir=data_dir)
    model = keras.saving.load_model(run_dir / "model.keras", compile=False)
    where = source(record)
    x, y, modes = (part[:limit] for part in datasets.arrays(split="test", **where))
    x_train, y_train, _ = datasets.arrays(split="train", **where)
    near, y = ev.embeddings(model, x_train), y.astype("int64")
    detector = ev.Detector().fit(near, y_train)
    values: dict[str, Any] = {"n": len(y)}
    for epsilon, steps in radii:
        ball = mpat.Linf(epsilon)
        attack = attacks.PGD(ball, steps=steps, step_size=2.5 * ball.radius / steps)
        found = ev.latent_set(
            *(model, x, y, attack),
            modes=modes,
            keep_examples=pictures is not None,
            state_dir=run_dir / f"latent_{str(epsilon).replace('/', '_')}",
            verbose=False,
        )
        values[f"at {epsilon}"] = _figures(found, near, y_train)
    queries = {"clean": found.clean, "attacked": found.adversarial}
    retrieved = {name: _retrieved(found, points) for name, points in queries.items()}
    values["retrieved"] = {
        name: float(np.mean(result.right)) for name, result in retrieved.items()
    }
    if pictures is not None:
        pictures.mkdir(parents=True, exist_ok=True)
        draw(run_dir, pictures, found, *retrieved.values(), method=method)
    clean = ev.Judged(found.clean_predicted, detector.score(found.clean))
    unaware = ev.Judged(found.adversarial_predicted, detector.score(found.adversarial))
    values["detection"] = ev.evaluate_detection(clean, unaware, y).to_dict()
    rows = slice(known)
    aware = ev.DetectorAttack.against(model, detector, ball, steps=steps, restarts=1)
    moved = ev.attacked(model, x[rows], y[rows], aware)
    guess = np.argmax(model.predictor.predict(moved, verbose=0), axis=-1)
    judged = ev.Judged(guess, detector.score(ev.embeddings(model, moved)))
    first = [ev.Judged(*(part[rows] for part in one)) for one in (clean, unaware)]
    worst, _ = ev.worst_judged(first[1], judged, y[rows])
    for name, one in (("unaware, first", first[1]), ("adaptive, first", worst)):
        found_ = ev.evaluate_detection(first[0], one, y[rows])
        values[f"detection, {name}"] = found_.to_dict()
    return values


def _retrieved(found: ev.LatentSet, points) -> ev.Retrieval:
    """The four clean test images nearest to each query, itself left out."""
    own = np.arange(len(points))
    return ev.retrieve(
        *(found.clean, found.y, points, found.y), count=4, exclude=own, verbose=False
    )


def _figures(found: ev.LatentSet, near, y_train) -> dict[str, Any]:
    guess = found.adversarial_predicted
    ratio = ev.adversarial_ratio(found.clean, found.y, found.adversarial, guess)
    points = {"clean": found.clean, "attacked": found.adversarial}
    return {
        "clean_accuracy": float(np.mean(found.clean_right)),
        "robust_accuracy": float(np.mean(found.robust)),
        "r": ratio.false_class.ratio,
        "skipped": ratio.false_class.skipped,
        "twin": ratio.true_class.ratio,
        "knn": {
            name: ev.knn_accuracy(near, y_train, p, found.y, verbose=False)
            for name, p in points.items()
        },
    }


def _published(method: str) -> tuple[str | None, ...]:
    """r at both radii, neighbors attacked and clean, as printed; `None`: not there."""
    theirs = PUBLISHED.get(method)
    if theirs is None:
        return (None,) * 4
    columns = (("tla-2", "small epsilon"), ("tla-2", "large epsilon"))
    columns += (("tla-3", "attacked"), ("tla-3", "clean"))
    found = []
    for table_, column in columns:
        number = None
        if papers.has(table_, theirs, "mnist"):
            number, _ = papers.value(table_, theirs, column, "mnist")
        found.append(None if number is None else f"{number:g}")
    return tuple(found)


def table(results: dict[tuple[str, float], dict[str, Any]]) -> str:
    """Both tables as Markdown, with the paper's figures in brackets."""
    head = ["method", f"clean / PGD-100 at {LARGE}", f"r at {SMALL}", f"r at {LARGE}"]
    head += ["twin", "neighbors, attacked", "neighbors, clean"]
    lines = [head]
    for (method, trained), found in results.items():
        if trained != LARGE:
            continue
        small, large = found[f"at {SMALL}"], found[f"at {LARGE}"]
        shares = [100 * large["knn"][name] for name in ("attacked", "clean")]
        figures = [f"{small['r']:.3f}", f"{large['r']:.3f}"]
        figures += [f"{share:.2f}" for share in shares]
        pairs = zip(figures, _published(method), strict=True)
        figures = [f if t is None else f"{f} ({t})" for f, t in pairs]
        accuracies = [large["clean_accuracy"], large["robust_accuracy"]]
        both = " / ".join(f"{100 * share:.2f}" for share in accuracies)
        twin = f"{large['twin']:.3f}"
        lines.append([method, both, *figures[:2], twin, *figures[2:]])
    text = comparison.markdown(lines)
    head = [f"method, trained at {SMALL}", f"clean / PGD-100 at {LARGE}", "AUC"]
    head += ["AUC, first images", "adaptive", "wrong and accepted", "adaptive"]
    lines = [head]
    for (method, trained), found in results.items():
        if trained != SMALL:
            continue
        large = found[f"at {LARGE}"]
        accuracies = [large["clean_accuracy"], large["robust_accuracy"]]
        both = [found[f"detection, {n}, first"] for n in ("unaware", "adaptive")]
        lines.append(
            [
                method,
                " / ".join(f"{100 * share:.2f}" for share in accuracies),
                f"{found['detection']['auc']:.3f}",
                *(f"{one['auc']:.3f}" for one in both),
                *(f"{100 * one['escaped']:.1f}" for one in both),
            ]
        )
    return f"{text}\n{comparison.markdown(lines)}"


def compare(given) -> str:
    """Runs the cells that are missing; returns the tables of those that are done."""
    every = {f"{number:02d}": pair for number, pair in enumerate(cells().items())}
    listed = [
        comparison.Cell(
            name, f"{method}, trained at {trained}", {"settings": settings.to_dict()}
        )
        for name, ((method, trained), settings) in every.items()
    ]
    folder, runs = Path(given.results), Path(given.run_dir)
    options = {"data_dir": given.data_dir, "limit": given.limit, "known": given.known}

    def measured(cell: comparison.Cell) -> dict[str, Any]:
        return measure(every[cell.name][1], runs / cell.name, **options)

    found = comparison.finish(listed, measured, folder / "cells", given)
    text = table({every[name][0]: values for name, values in found.items()})
    write_text(folder / "table.md", text)
    return text


def main(_) -> None:
    """Compares as the flags say."""
    try:
        print(compare(flags.FLAGS))
    except (ValueError, FileNotFoundError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    comparison.define_flags(run_dir="runs/latent", results="results/latent_mnist")
    flags.DEFINE_integer("limit", None, "First test images only.", lower_bound=1)
    flags.DEFINE_integer("known", 1000, "Images of the adaptive attack.", lower_bound=1)
    app.run(main)
