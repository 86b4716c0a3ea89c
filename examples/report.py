"""Writes one HTML page about a finished run, or about several side by side.

    python examples/report.py --run_dir runs/mpat
    python examples/report.py --run_dir runs/mpat --compare runs/pgd --compare runs/x

On top stands what examples/evaluate.py found: run it first, with AutoAttack. Below, the
test images are attacked once more to look at classes, latent space, retrieval,
detection and prototypes; --noanalyze leaves that out. Interrupted, the same command
continues. The page needs no network; tables lie beside it as .md and .tex.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import app, flags, logging
from run_directory import finished, source
from train import length

import keras_mpat as mpat
from keras_mpat import datasets
from keras_mpat.evaluation import report


def make(
    run_dir,
    *,
    compare: Sequence[str] = (),
    epsilon: float | str | None = None,
    limit: int | None = None,
    analyze: bool = True,
    **options: Any,
) -> Path:
    """Writes the page of a run, with the images of its data set.

    Args:
        run_dir: folder of a finished run.
        compare: folders of others, of the same data set.
        epsilon: radius of the attack; `None`: that of the training of `run_dir`.
        limit: the first test images only.
        analyze: whether to attack test images; otherwise only what the folders hold.
        options: `path`, `batch_size`, `seed`, `verbose` of `evaluation.report`.

    Returns:
        Where the page is.

    Raises:
        ValueError: a folder without a finished run, or of another data set.
    """
    record, _ = finished(run_dir)
    where = source(record)
    for other in compare:
        if source(finished(other)[0])["name"] != where["name"]:
            raise ValueError(
                f"`compare` must be runs on {where['name']}, as `run_dir` is. Received:"
                f" {other}, which is on another data set."
            )
    if not analyze:
        return report(run_dir, compare=compare, **options)
    info = datasets.info(**where)
    test = [part[:limit] for part in datasets.arrays(split="test", **where)]
    train = datasets.arrays(split="train", **where)[:2]
    radius = epsilon or record["settings"]["epsilon"]
    return report(
        run_dir,
        {"test": test, "train": train},
        compare=compare,
        threat_model=mpat.Linf(radius) if radius else None,
        class_names=info.class_names,
        mode_names=info.mode_names,
        **options,
    )


def define_flags() -> None:
    """The command line."""
    flags.DEFINE_string("run_dir", None, "Folder of a finished run.", required=True)
    flags.DEFINE_multi_string("compare", [], "Folder of another; may be repeated.")
    flags.DEFINE_string("epsilon", None, "Radius; default: that of the training.")
    flags.DEFINE_integer("limit", None, "First test images only.", lower_bound=1)
    flags.DEFINE_bool("analyze", True, "Attack test images, and look at them.")
    flags.DEFINE_string("path", None, "Where to write; default: in the run directory.")
    flags.DEFINE_integer("batch_size", 128, "Images per batch.", lower_bound=1)
    flags.DEFINE_integer("seed", 0, "Seed of the attack's noise.", lower_bound=0)


def main(arguments: list[str]) -> None:
    """Writes the page as the flags say."""
    given = flags.FLAGS
    if arguments[1:] and not given.compare:
        raise app.UsageError(f"Unexpected argument {arguments[1]!r}; flags begin --.")
    options = {n: given[n].value for n in ("limit", "analyze", "path", "batch_size")}
    try:
        path = make(
            given.run_dir,
            compare=[*given.compare, *arguments[1:]],
            epsilon=length(given.epsilon),
            seed=given.seed,
            verbose=sys.stdout.isatty(),
            **options,
        )
    except (ValueError, FileNotFoundError, ImportError) as error:
        logging.debug("Where the error arose (shown by -v=1)", exc_info=True)
        sys.exit(f"error: {error}")
    print(f"Written: {path}, and its tables as .md and .tex")


if __name__ == "__main__":
    define_flags()
    app.run(main)
