"""The papers' looks into the latent space, for `reproduce.py`: numbers and pictures.

One cell per run has all of it: ratios, neighbors, retrieval, detection of errors, and
for seed 0 the pictures. A table of the papers is a view of the cells.
"""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cells as comparison
import compare_latent
import papers
import reproduction
from reproduced_table import published, run_name
from reproduction import BASELINE, SCALES, STANDARD

from keras_mpat.choices import check_choice
from keras_mpat.files import write_text

# Of PGD by scale: steps at the small and at the large radius of the data set.
STEPS = {"smoke": (2, 3), "cpu": (20, 100), "full": (20, 100)}
_MNIST, _OTHERS = (0.03, 0.3), ("8/255", "25/255")


@dataclass(frozen=True)
class View:
    """A table or figure of a paper, in our form.

    Attributes:
        paper: its id in papers.py; `None`: it prints no numbers.
        caption: what is shown, where papers.py has no such table.
        data: (ours on a CPU, the papers' in full).
        rows: (method of ours, method in the paper or `None`).
        columns: (title, keys in a cell, column in the paper or "", digits, factor).
        small: whether nets are trained at the small radius (of MNIST 0.03).
        pictures: which of those that a cell draws are shown.
    """

    paper: str | None
    caption: str
    data: tuple[str, tuple[str, ...]]
    rows: tuple[tuple[str, str | None], ...]
    columns: tuple[tuple[str, tuple[str, ...], str, int, float], ...]
    small: bool = False
    pictures: tuple[str, ...] = ()


_TLA = ("mnist", ("mnist", "cifar10", "tiny_imagenet"))
_MPAT = ("mnist_2", ("cifar10_2",))
_BOTH = (("clean accuracy", ("large", "clean_accuracy"), "", 1, 100.0),)
_BOTH += (("PGD at the large radius", ("large", "robust_accuracy"), "", 1, 100.0),)
_AREAS = {"": "AUC", ", unaware, first": "AUC, first images"}
_AREAS |= {", adaptive, first": "the same, attack that knows"}
_RETRIEVED = tuple(
    (f"of 4 nearest, {name}", ("retrieved", name), name, 2, 4.0)
    for name in ("clean", "attacked")
)
_FOUR = ((STANDARD, "UM"), (BASELINE, "AT"), ("ALP", "ALP"), ("TLA", "TLA"))
VIEWS: dict[str, View] = {
    "tla-2": View(
        "tla-2",
        "",
        _TLA,
        (*_FOUR, ("MPAT", None)),
        (
            ("r at the small radius", ("small", "r"), "small epsilon", 3, 1.0),
            ("r at the large radius", ("large", "r"), "large epsilon", 3, 1.0),
            *_BOTH,
        ),
    ),
    "tla-3": View(
        "tla-3",
        "",
        _TLA,
        (*_FOUR[1:], ("MPAT", None)),
        tuple(
            (f"50 neighbors, {name}", ("large", "knn", name), name, 2, 100.0)
            for name in ("attacked", "clean")
        ),
    ),
    "tla-fig1": View(
        None,
        "Mao et al. (TLA), Figure 1: attacked images of one true class among the "
        "classes they are taken for.",
        _TLA,
        ((STANDARD, None), (BASELINE, None)),
        _BOTH,
        pictures=("map",),
    ),
    "tla-fig2": View(
        None,
        "Mao et al. (TLA), Figure 2: attacked images of a class beside the clean ones "
        "of the class that they are taken for.",
        _TLA,
        tuple((row[0], None) for row in _FOUR),
        _BOTH,
        pictures=("map_pair",),
    ),
    "tla-fig4": View(
        None,
        "Mao et al. (TLA), Figure 4: the nearest images of a query, without and under "
        "attack.",
        _TLA,
        ((BASELINE, None), ("TLA", None)),
        _RETRIEVED,
        pictures=("retrieval",),
    ),
    "tla-fig5": View(
        None,
        "Mao et al. (TLA), Figure 5: Gaussians of the classes find errors among clean "
        "and attacked images; nets of the small radius, attacks of the large one.",
        _TLA,
        (*((row[0], None) for row in _FOUR), ("MPAT", None)),
        tuple(
            (title, (f"detection{name}", "auc"), "", 3, 1.0)
            for name, title in _AREAS.items()
        ),
        small=True,
    ),
    "mpat-fig1": View(
        None,
        "Khan et al. (MPAT), Figure 1: attacked images of one class whose modes are "
        "taken for the other class.",
        _MPAT,
        ((BASELINE, None), ("TLA", None), ("MPAT", None)),
        _BOTH,
        pictures=("map",),
    ),
    "mpat-fig4": View(
        "mpat-fig4",
        "",
        _MPAT,
        ((BASELINE, "AT"), ("TLA", "TLA"), ("RoCL", "RoCL"), ("MPAT", "Ours")),
        _RETRIEVED,
        pictures=("retrieval",),
    ),
}


def radii(dataset: str) -> tuple[float | str, float | str]:
    """TLA's small and large radius for a data set."""
    return _MNIST if dataset.startswith(("mnist", "digits")) else _OTHERS


def runs(view: View, scale: str, seeds: Sequence[int]) -> dict[str, tuple]:
    """(data set, method, seed, settings) by name."""
    ours, full = view.data
    found = {}
    for seed in seeds:
        for dataset in full if scale == "full" else (ours,):
            for method, _ in view.rows:
                settings = reproduction.resolve(dataset, method, seed, scale)
                name = run_name(dataset, method, seed)
                small, _ = radii(dataset)
                if view.small and method != STANDARD and settings.epsilon != small:
                    settings = dataclasses.replace(settings, epsilon=small)
                    name += "-small"
                found[name] = dataset, method, seed, settings
    return found


def reproduce(given) -> str:
    """Makes the cells that are missing; returns the page of those that are done."""
    check_choice("scale", given.scale, SCALES)
    view, size = VIEWS[given.table], SCALES[given.scale]
    every = runs(view, given.scale, comparison.integers("seeds", given.seeds))
    folder = Path(given.results) / given.scale
    trained = Path(given.run_dir) / given.scale
    sizes = {"limit": size.limit, "known": size.hard}
    listed = [
        comparison.Cell(
            name,
            f"({data}, {method}, seed {seed})",
            {"settings": settings.to_dict(), **sizes, "steps": STEPS[given.scale]},
        )
        for name, (data, method, seed, settings) in every.items()
    ]

    def measured(cell: comparison.Cell) -> dict[str, Any]:
        dataset, _, seed, settings = every[cell.name]
        pairs = tuple(zip(radii(dataset), STEPS[given.scale], strict=True))
        drawn = folder / "pictures" / cell.name if seed == 0 else None
        values = compare_latent.measure(
            settings,
            trained / cell.name,
            data_dir=given.data_dir,
            radii=pairs,
            pictures=drawn,
            method="pca" if given.scale == "smoke" else "tsne",
            **sizes,
        )
        for name, (epsilon, _) in zip(("small", "large"), pairs, strict=True):
            values[name] = values.pop(f"at {epsilon}")
        return values

    found = comparison.finish(listed, measured, folder / "latent", given)
    results = {every[name][:3]: values for name, values in found.items()}
    text = markdown(given.table, given.scale, results, folder)
    write_text(folder / f"{given.table}.md", text)
    return text


def markdown(name: str, scale: str, found: Mapping[tuple, dict], folder: Path) -> str:
    """The page of a view, a part for each data set.

    Args:
        name: of the view.
        scale: of the runs.
        found: cells by (data set, method, seed).
        folder: of the scale; pictures are looked for in it.
    """
    view, size = VIEWS[name], SCALES[scale]
    about = view.caption
    if view.paper is not None:
        paper = papers.table(view.paper)
        about = f"{paper.source}. {paper.caption}"
    if name == "tla-fig5":
        claim = published("tla-poster", "TLA over the others", "AUC", "mnist")
        about += f" The poster claims {claim} points of AUC for TLA on mnist."
    steps = " and ".join(map(str, STEPS[scale]))
    text = (
        f"# {name}\n\n{about}\n\nScale {scale}, first {size.limit or 'all'} test "
        f"images, PGD of {steps} steps at the small and the large radius. Each cell: "
        "the paper's number, where it has one, then ours: mean over the seeds, the "
        "least in brackets.\n"
    )
    for dataset in dict.fromkeys(key[0] for key in found):
        text += f"\n## {dataset}\n\n{_table(view, dataset, found)}"
        for method, _ in view.rows:
            for picture in view.pictures:
                path = f"pictures/{run_name(dataset, method, 0)}/{picture}.png"
                if (folder / path).exists():
                    text += f"\n![{method}: {picture}]({path})\n"
    return text


def _table(view: View, dataset: str, found: Mapping[tuple, dict]) -> str:
    ours, full = view.data
    printed = full[0] if dataset == ours else dataset
    lines = [["method", *(column[0] for column in view.columns), "seeds"]]
    for method, row in view.rows:
        own = [cell for key, cell in found.items() if key[:2] == (dataset, method)]
        if not own:
            continue
        cells = []
        for _, keys, column, digits, factor in view.columns:
            mean = _mean(own, keys, digits, factor)
            theirs = "–"
            paper = view.paper if column else None
            if paper is not None and papers.has(paper, row, printed):
                theirs = published(paper, row, column, printed, max(digits, 2))
            cells.append(mean if theirs == "–" else f"{theirs} / {mean}")
        lines.append([method, *cells, str(len(own))])
    return comparison.markdown(lines)


def _mean(own: Sequence[dict], keys, digits: int, factor: float) -> str:
    values = []
    for cell in own:
        value: Any = cell
        for key in keys:
            value = value[key]
        values.append(value)
    if any(value is None for value in values):  # e.g. r, where nothing was fooled
        return "undefined"
    values = [factor * value for value in values]
    return f"{statistics.mean(values):.{digits}f} ({min(values):.{digits}f})"
