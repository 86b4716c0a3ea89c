"""Pictures of a latent space: examples/latent.py draws them."""

from pathlib import Path

import keras
import numpy as np
from run_directory import finished, source

from keras_mpat import datasets
from keras_mpat import evaluation as ev
from keras_mpat.layers import SoftTripleHead

_RED = "#cc3311"
_LONG = 14  # characters of a caption


def draw(
    run_dir,
    folder: Path,
    found: ev.LatentSet,
    clean: ev.Retrieval,
    adversarial: ev.Retrieval,
    *,
    queries: int = 3,
    points: int = 1000,
    **options,
) -> list[Path]:
    """Writes retrieval.png, map.png, map_pair.png and confusion.png.

    Args:
        run_dir: the folder of the run.
        folder: where to write.
        found: embeddings, with the adversarial images.
        clean, adversarial: what the queries found.
        queries: how many of them are shown.
        points: test images on a map, the first.
        **options: of `project`.

    Returns:
        Where the pictures are.
    """
    from keras_mpat.evaluation import plots

    record, _ = finished(run_dir)
    info = datasets.info(**source(record))
    names = [_short(name, n) for n, name in enumerate(info.class_names)]
    x = datasets.arrays(split="test", **source(record))[0][: len(found.y)]
    paths = [folder / f"{n}.png" for n in ("retrieval", "map", "map_pair", "confusion")]
    rows = _retrieval_rows(x, found, clean, adversarial, names, queries)
    title = f"{info.name}: the nearest test images; red: of another class"
    plots.retrieval_sheet(rows, paths[0], title=title)
    prototypes = _prototypes(run_dir)
    _draw_map(paths[1], found, prototypes, points, names, info.name, options)
    _draw_pair(paths[2], found, prototypes, points, names, info.name, options)
    counts = {
        "clean": ev.confusion(found.y, found.clean_predicted, found.num_classes),
        "under attack": ev.confusion(
            found.y, found.adversarial_predicted, found.num_classes
        ),
    }
    plots.confusion_matrix(counts, paths[3], class_names=names, title=info.name)
    return paths


def _retrieval_rows(x, found, clean, adversarial, names, queries: int) -> list:
    """Each query without and under attack; of as many modes as there are."""
    from keras_mpat.evaluation.plots import RetrievalRow

    modes = found.y if found.modes is None else found.modes
    _, rows = np.unique(modes, return_index=True)  # the first of each mode
    # Spread over the modes, and so over the classes.
    rows = rows[np.linspace(0, len(rows) - 1, min(queries, len(rows))).astype(int)]
    sheet = []
    for row in rows:
        for name, images, result in (
            ("clean", x, clean),
            ("under attack", found.examples, adversarial),
        ):
            hits = result.rows[row]
            sheet.append(
                RetrievalRow(
                    name=name,
                    query=images[row],
                    images=x[hits],
                    right=result.right[row],
                    caption=names[found.y[row]],
                    captions=[names[c] for c in found.y[hits]],
                )
            )
    return sheet


def _prototypes(run_dir):
    """(points, classes) of the run's prototypes; of a run without: `None`."""
    model = keras.saving.load_model(Path(run_dir) / "model.keras", compile=False)
    if not isinstance(model.head, SoftTripleHead):
        return None
    return ev.prototype_points(model)


def _draw_map(path, found, prototypes, points, names, title, options) -> None:
    """All classes: left by the true class, right by the class that is predicted."""
    from keras_mpat.evaluation import plots

    rows = np.arange(min(points, len(found.y)))
    fooled = rows[found.adversarial_predicted[rows] != found.y[rows]]
    parts = {"clean": found.clean[rows], "adversarial": found.adversarial[fooled]}
    if prototypes is not None:
        parts["prototypes"] = prototypes[0]
    parts = {name: part for name, part in parts.items() if len(part)}
    places = ev.project(parts, **options)
    panels = {}
    for name, color, other in (
        ("color: true class", found.y, found.y),
        ("adversarial: color of the false class", found.adversarial_predicted, None),
    ):
        clean = None if other is None else other[rows]
        layers = [plots.MapLayer("clean", places["clean"], clean)]
        if len(fooled):
            layers.append(
                plots.MapLayer(
                    "adversarial",
                    places["adversarial"],
                    color[fooled],
                    label="adversarial, misclassified",
                )
            )
        if prototypes is not None:
            layers.append(
                plots.MapLayer("prototype", places["prototypes"], prototypes[1])
            )
        panels[name] = layers
    plots.latent_map(panels, path, class_names=names, title=_title(title, options))


def _draw_pair(path, found, prototypes, points, names, title, options) -> None:
    """The most frequent confusion under attack: both classes, and who crosses over."""
    from keras_mpat.evaluation import plots

    counts = ev.confusion(found.y, found.adversarial_predicted, found.num_classes)
    np.fill_diagonal(counts, 0)
    true, false = (int(c) for c in np.unravel_index(counts.argmax(), counts.shape))
    if true == false:  # nothing was fooled
        true, false = 0, 1
    own, other = (np.flatnonzero(found.y == c)[: points // 2] for c in (true, false))
    fooled = own[found.adversarial_predicted[own] != true]
    there = found.adversarial_predicted[fooled] == false
    parts = {"own": found.clean[own], "other": found.clean[other]}
    parts["adversarial"] = found.adversarial[fooled]
    if prototypes is not None:
        both = np.isin(prototypes[1], (true, false))
        parts["prototypes"] = prototypes[0][both]
    places = dict.fromkeys(("own", "other", "adversarial"), np.empty((0, 2)))
    places |= ev.project({n: part for n, part in parts.items() if len(part)}, **options)
    stars = []
    if prototypes is not None:
        classes = prototypes[1][both]
        stars = [plots.MapLayer("prototype", places["prototypes"], classes)]
    taken = found.adversarial_predicted[fooled]
    panels = {
        f"{names[true]} only, adversarial: color of the false class": [
            plots.MapLayer("clean", places["own"]),
            plots.MapLayer("adversarial", places["adversarial"], taken),
        ],
        f"{names[true]} taken for {names[false]}": [
            plots.MapLayer("clean", places["own"], found.y[own]),
            plots.MapLayer("clean", places["other"], found.y[other]),
            *stars,
            plots.MapLayer(
                "adversarial",
                places["adversarial"][there],
                label=f"adversarial, taken for {names[false]}",
                color=_RED,
            ),
        ],
    }
    plots.latent_map(panels, path, class_names=names, title=_title(title, options))


def _title(name: str, options) -> str:
    method = {"tsne": "t-SNE", "pca": "principal components"}[options["method"]]
    return f"{name}: embeddings of test images, {method}"


def _short(name: str, number: int) -> str:
    return name if len(name) <= _LONG else str(number)
