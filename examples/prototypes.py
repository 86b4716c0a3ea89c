"""Shows what the prototypes of a finished run stand for: a table and pictures.

    python examples/train.py --dataset digits_2 --prototypes_per_class 10 \\
        --merge_threshold 0.2 --run_dir runs/digits_2
    python examples/prototypes.py --run_dir runs/digits_2

Writes into the run directory:

prototypes.md, .json     examples of each fine label at each prototype, purity, NMI
prototypes.png           the images nearest to each prototype
prototypes_merging.png   prototypes left over the epochs, where they merged
prototypes_cosines.png   cosines within each class before and after, likewise
"""

import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
from absl import app, flags, logging
from evaluate import finished
from merging import read_merging
from run_directory import source

from keras_mpat import datasets
from keras_mpat.evaluation import (
    PrototypeModes,
    nearest_images,
    prototype_modes,
    prototype_table,
    untrained_modes,
)
from keras_mpat.files import write_json, write_text

_ROWS = 60  # of a sheet of pictures


def show(
    run_dir, *, split: str = "train", count: int = 8, limit: int | None = None
) -> tuple[str, list[Path]]:
    """Looks at the prototypes of a run, and writes the table and the pictures.

    Args:
        run_dir: the folder of a finished run with a SoftTriple head.
        split: whose images: "train" (those that were trained on), "validation", "test".
        count: images per prototype.
        limit: take the first `limit` images only.

    Returns:
        The table, as Markdown, and where the pictures are.

    Raises:
        ValueError: `run_dir` holds no finished run, or one without prototypes.
    """
    run_dir = Path(run_dir)
    record, _ = finished(run_dir)
    model = keras.saving.load_model(run_dir / "model.keras", compile=False)
    info = datasets.info(**source(record))
    x, y, modes = _images(record, split, limit)
    found = prototype_modes(model, x, y, modes)
    control = untrained_modes(model, x, y, modes)
    nearest = nearest_images(model, x, y, count=count)
    merging = read_merging(run_dir)
    table = prototype_table(
        found, class_names=info.class_names, mode_names=info.mode_names
    )
    title = f"{info.name}, {len(x)} images of the split {split}, without an attack"
    text = f"# Prototypes\n\n{title}.\n{_in_words(found, merging)}\n\n{table}\n"
    text += f"\n{_control_in_words(control)}\n"
    write_text(run_dir / "prototypes.md", text)
    values = {"dataset": info.name, "split": split, **found.to_dict()}
    values["untrained"] = [
        {"purity": draw.purity, "nmi": draw.to_dict()["nmi"]} for draw in control
    ]
    write_json(run_dir / "prototypes.json", values)
    pictures = [_draw_sheet(run_dir, info, found, nearest, x, modes, title)]
    return text, pictures + _draw_merging(run_dir, info, merging)


def _images(record: dict[str, Any], split: str, limit: int | None):
    """Images, classes and fine labels of a run's data set."""
    arrays = datasets.arrays(split=split, **source(record))
    trained = record["settings"]["train_examples"] if split == "train" else None
    limits = [number for number in (limit, trained) if number is not None]
    return tuple(array[: min(limits, default=None)] for array in arrays)


def _in_words(found: PrototypeModes, merging: dict[str, Any] | None) -> str:
    text = f"Prototypes left per class: {found.prototypes_per_class}"
    if merging is None:
        return f"{text}; they were not merged."
    merges, threshold = len(merging["merges"]), merging["threshold"]
    return f"{text}, after {merges} mergings of pairs closer than {threshold:g}."


def _control_in_words(control: list[PrototypeModes]) -> str:
    purity, nmi = np.mean([(draw.purity, draw.nmi) for draw in control], axis=0)
    agreement = f" and NMI {nmi:.2f}" if np.isfinite(nmi) else ""
    return (
        f"Control: as many random directions in the same latent space have purity "
        f"{100 * purity:.1f} %{agreement} (means of {len(control)} draws)."
    )


def _draw_sheet(run_dir, info, found, nearest, x, modes, title) -> Path:
    from keras_mpat.evaluation import plots

    rows = plots.prototype_rows(
        found,
        nearest,
        x,
        modes,
        class_names=info.class_names,
        mode_names=info.mode_names,
    )[:_ROWS]
    if len(found.slots) > _ROWS:
        title = f"{title}: the first {_ROWS} of {len(found.slots)} prototypes"
    path = run_dir / "prototypes.png"
    plots.prototype_sheet(rows, path, title=title)
    return path


def _draw_merging(run_dir, info, merging: dict[str, Any] | None) -> list[Path]:
    from keras_mpat.evaluation import plots

    if merging is None:
        return []
    paths = [run_dir / "prototypes_merging.png"]
    names = [plots.short(name) for name in info.class_names]
    title = f"{info.name}: prototypes left of each class"
    plots.prototype_history(
        merging["history"], paths[0], class_names=names, title=title
    )
    if merging["before"] is not None:
        threshold = merging["threshold"]
        paths.append(run_dir / "prototypes_cosines.png")
        plots.prototype_similarities(
            merging["before"],
            merging["after"],
            paths[-1],
            threshold=threshold,
            class_names=names,
            title=f"{info.name}: cosines of prototypes; framed: closer than "
            f"{threshold:g}",
        )
    return paths


def define_flags() -> None:
    """The command line."""
    flags.DEFINE_string("run_dir", None, "Folder of a finished run.", required=True)
    splits = ["train", "validation", "test"]
    flags.DEFINE_enum("split", "train", splits, "Whose images.")
    flags.DEFINE_integer("count", 8, "Images per prototype.", lower_bound=1)
    flags.DEFINE_integer("limit", None, "First images only.", lower_bound=1)


def main(arguments: list[str]) -> None:
    """Shows the prototypes as the flags say."""
    if len(arguments) > 1:
        raise app.UsageError(f"Unexpected argument {arguments[1]!r}; flags begin --.")
    given = flags.FLAGS
    options = {name: given[name].value for name in ("split", "count", "limit")}
    try:
        text, pictures = show(given.run_dir, **options)
    except (ValueError, FileNotFoundError, ImportError) as error:
        logging.debug("Where the error arose (shown by -v=1)", exc_info=True)
        sys.exit(f"error: {error}")
    print(text)
    print("Pictures:", *pictures, sep="\n  ")


if __name__ == "__main__":
    define_flags()
    app.run(main)
