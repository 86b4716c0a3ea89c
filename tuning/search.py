"""Searches lambda_1, prototypes per class and more, under attack, and reports.

    python tuning/search.py --dataset digits_2
    python tuning/search.py --dataset cifar10_2 --strategy fast --max_trials 30
    python tuning/search.py --dataset mnist_2 --tuner grid --head_weight=0.1,0.5,1,1.5,2

The same command goes on after an interruption, and prints the result of a finished
search. See tuning/README.md.
"""

import sys
from pathlib import Path
from typing import Any

from absl import app, flags, logging

ROOT = Path(__file__).resolve().parent.parent
for _folder in ("tuning", "examples"):
    if str(ROOT / _folder) not in sys.path:
        sys.path.append(str(ROOT / _folder))

import recipe  # noqa: E402
import settings as run_settings  # noqa: E402
import train as training_script  # noqa: E402

from keras_mpat import tuning  # noqa: E402
from keras_mpat.tuning import DIMENSIONS, SearchSpace  # noqa: E402
from keras_mpat.tuning.oracles import TUNERS  # noqa: E402
from keras_mpat.tuning.reading import summary  # noqa: E402

# Searched unless they are given, where the head uses them.
PAPER = ("head_weight", "prototypes_per_class")
# Settings that are no flags here as they are in train.py: a score is a mean of epochs.
_OWN = (*DIMENSIONS, "seed", "select")
_SMALL = {"digits": 8, "digits_2": 8}  # trials of the embedded example


def define_flags() -> None:
    """The command line."""
    training_script.define_settings(without=_OWN)
    flags.DEFINE_string("data_dir", None, "Folder of prepared data sets.")
    flags.DEFINE_string("search_dir", None, "Folder of the search; runs/search_<data>.")
    flags.DEFINE_enum("tuner", "bayesian", list(TUNERS), "How points are chosen.")
    flags.DEFINE_string("objective", tuning.OBJECTIVE, "Figure that fit logs.")
    flags.DEFINE_integer("max_trials", None, "Points to try; 20, digits 8.", 1)
    flags.DEFINE_float("max_hours", None, "No trial begins after so many hours.", 0.0)
    flags.DEFINE_integer("seeds_per_trial", 1, "Trainings per point.", 1)
    flags.DEFINE_integer("score_epochs", None, "Last epochs that make the score.", 1)
    flags.DEFINE_integer("seed", 0, "Seed of the draws.", 0)
    flags.DEFINE_string("space", None, "JSON file of a space, in place of the default.")
    flags.DEFINE_list("tune", [], "More names to search, in their usual ranges.")
    flags.DEFINE_enum("role", None, ["chief", "worker"], "Part in a larger search.")
    flags.DEFINE_string("oracle_address", "127.0.0.1:8000", "host:port of the chief.")
    flags.DEFINE_string("worker_id", "worker0", "Name of this worker, unique.")
    flags.DEFINE_float("worker_patience", 120.0, "Seconds a worker may be silent.", 1.0)
    for name, dimension in DIMENSIONS.items():
        text = "one value, values with commas, or a range low:high[:log]"
        flags.DEFINE_string(name, None, f"{dimension.meaning}: {text}.")


def space_of(given: dict[str, Any]) -> SearchSpace:
    """The space that the command line describes.

    Args:
        given: settings by flag name, those that cannot be searched.
    """
    values = flags.FLAGS
    entries: dict[str, Any] = {}
    if values.space is not None:
        entries = dict(SearchSpace.from_json(values.space).entries)
    named = {n: values[n].value for n in DIMENSIONS if values[n].value is not None}
    entries |= {name: tuning.parse(name, text) for name, text in named.items()}
    for name in set(values.tune) & entries.keys():
        if not isinstance(entries[name], (list, tuning.Range)):
            raise ValueError(
                f"`tune` must name what has no fixed value. Received: --tune={name} "
                f"with {name}={entries[name]}. Remove one of them."
            )
    entries |= dict.fromkeys(name for name in values.tune if name not in entries)
    parents = run_settings.resolve(
        {k: v for k, v in given.items() if k in ("dataset", "preset")}
        | {n: e for n, e in entries.items() if isinstance(e, str) and n in _PARENTS}
    )
    entries = {name: getattr(parents, name) for name in _PARENTS} | entries
    if values.space is None:
        heads = entries["head"] if isinstance(entries["head"], list) else None
        for name in PAPER:
            users = DIMENSIONS[name].needs[1]
            if set(heads or [entries["head"]]) & set(users):
                entries.setdefault(name, None)
    return SearchSpace(**entries)


_PARENTS = ("strategy", "head", "regularizer")


def main(arguments: list[str]) -> None:
    """Searches as the flags say, and prints what was found."""
    if len(arguments) > 1:
        raise app.UsageError(f"Unexpected argument {arguments[1]!r}; flags begin --.")
    values = flags.FLAGS
    try:
        given = training_script.given_flags(without=_OWN)
        hyper_model = recipe.RecipeHyperModel(given, space_of(given), values.data_dir)
        dataset = hyper_model.first.dataset
        folder = values.search_dir or f"runs/search_{dataset}".replace(":", "_")
        trials = values.max_trials
        if trials is None and values.tuner in ("bayesian", "random"):
            trials = _SMALL.get(dataset)
        result = tuning.search(
            hyper_model,
            search_dir=folder,
            max_trials=trials,
            tuner=values.tuner,
            objective=values.objective,
            max_hours=values.max_hours,
            seeds_per_trial=values.seeds_per_trial,
            score_epochs=values.score_epochs,
            seed=values.seed,
            role=values.role,
            oracle_address=values.oracle_address,
            worker_id=values.worker_id,
            worker_patience=values.worker_patience,
        )
    except (ValueError, OSError, ImportError, RuntimeError) as error:
        logging.debug("Where the error arose (shown by -v=1)", exc_info=True)
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; the same command goes on.")
    if values.role == "worker":
        print(f"Worker {values.worker_id}: no trial is left; the chief reports.")
        return
    print(f"\n{summary(result)}")
    sys.exit(1 if result.stopped and not result.ranking else 0)


if __name__ == "__main__":
    define_flags()
    app.run(main)
