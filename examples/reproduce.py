"""The papers' tables and figures, made here, beside what the papers print.

    python examples/reproduce.py --table mpat-2 --scale cpu --seeds 0,1,2
    python examples/reproduce.py --table tla-fig2 --scale smoke

Trains each method of a table with each seed, attacks it, and writes a small file per
finished run and <table>.md. Tables share runs: what one has trained, another finds.
The same command continues after an interruption; `--minutes` begins no run after that
time, `--parts 2 --part 0` beside `--parts 2 --part 1` share the runs. Scales and
methods are in reproduction.py, looks into the latent space in reproduced_latent.py, the
papers' numbers in papers/. "atld" and "modes" are made by compare_systems.py, modes.py.
"""

import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cells as comparison
import compare_systems
import evaluate
import modes
import reproduced_latent
import reproduction
import train as training_script
from absl import app, flags
from reproduced_table import AUTOATTACK, draw, markdown, run_name, verdicts
from reproduction import BASELINE, SCALES, STANDARD, TABLES, Scale, Table
from run_directory import RunDirectory

import keras_mpat as mpat
from keras_mpat import attacks
from keras_mpat.choices import check_choice
from keras_mpat.files import write_json, write_text

# Of compare_systems.py: what differs from its usual flags.
_SYSTEMS: dict[str, dict[str, Any]] = {
    "smoke": {
        "epochs": 1,
        "train_examples": 256,
        "pretrain_epochs": 1,
        "pretrain_batch_size": 128,
        "limit": 16,
        "hard": 8,
    },
    "cpu": {},
    "full": {
        "dataset": "cifar10_2",
        "epochs": 120,
        "train_examples": None,
        "pretrain_epochs": 1000,
        "limit": 10_000,
        "hard": 10_000,
    },
}
SMOKE_ROWS = 5
NAMES = (*TABLES, *reproduced_latent.VIEWS, "atld", "modes")


def runs(table: Table, scale: str, seeds: Sequence[int]) -> dict[str, tuple]:
    """(data set, method, seed, settings) by name; what they are compared with first.

    In a trial only the first rows of a table, so that it ends within two minutes.
    """
    rows = table.methods[: SMOKE_ROWS if scale == "smoke" else None]
    found = {}
    for seed in seeds:
        for dataset, _ in table.datasets[scale]:
            for method in dict.fromkeys([STANDARD, BASELINE, *rows]):
                settings = reproduction.resolve(dataset, method, seed, scale)
                found[run_name(dataset, method, seed)] = dataset, method, seed, settings
    return found


def measure(settings, run_dir: Path, surrogate, scale: Scale, **where) -> dict:
    """Trains and attacks one run; continues if it was interrupted.

    Args:
        settings: of the run.
        run_dir: its folder.
        surrogate: settings and folder of the net that transferred examples are made on.
        scale: numbers of test images.
        where: `data_dir`; `verdicts`, the file of AutoAttack's verdicts.

    Returns:
        JSON values; accuracies by attack, with their numbers of images.
    """
    record = training_script.train(settings, run_dir, data_dir=where["data_dir"])
    ball = mpat.Linf(settings.epsilon)
    chosen = reproduction.white_box(ball)
    own, folder = surrogate
    training_script.train(own, folder, data_dir=where["data_dir"])
    chosen["transfer"] = attacks.Transfer(
        attacks.PGD(ball, steps=40), surrogate=folder / "classifier.keras"
    )
    first = evaluate.evaluate(run_dir, chosen=chosen, limit=scale.limit)
    often = {"20 x PGD-100": attacks.PGD(ball, steps=100, restarts=20)}
    restarted = evaluate.evaluate(run_dir, chosen=often, limit=scale.restarted)
    hard = {AUTOATTACK: attacks.AutoAttack(ball)}
    result = evaluate.evaluate(run_dir, chosen=hard, limit=scale.hard)
    write_json(where["verdicts"], result.to_dict())
    attacked = {"clean": [first.clean_accuracy, first.n]}
    for found in (first, restarted, result):
        attacked |= {stage.name: [stage.accuracy, found.n] for stage in found.stages}
    return {
        "device": record["device"],
        "versions": record["versions"],
        "attacked": attacked,
        "minutes": RunDirectory(run_dir, settings.to_dict()).minutes(),
    }


def reproduce(given) -> str:
    """Makes the runs that are missing; returns the table of those that are done."""
    check_choice("table", given.table, NAMES)
    check_choice("scale", given.scale, SCALES)
    if given.table in reproduced_latent.VIEWS:
        return reproduced_latent.reproduce(given)
    if given.table not in TABLES:
        return _by_its_script(given)
    table, seeds = TABLES[given.table], comparison.integers("seeds", given.seeds)
    every = runs(table, given.scale, seeds)
    size = SCALES[given.scale]
    folder, trained = Path(given.results) / given.scale, Path(given.run_dir)
    identity = {n: getattr(size, n) for n in ("limit", "restarted", "hard")}
    listed = [
        comparison.Cell(
            name,
            f"({data}, {method}, seed {seed})",
            {"settings": settings.to_dict(), **identity},
        )
        for name, (data, method, seed, settings) in every.items()
    ]

    def measured(cell: comparison.Cell) -> dict[str, Any]:
        dataset, _, seed, settings = every[cell.name]
        own = every[run_name(dataset, STANDARD, seed)][-1]
        # A surrogate for each part: two processes cannot train in one folder.
        near = trained / given.scale / f"surrogate-{dataset}-s{seed}-{given.part}"
        path = verdicts(folder, cell.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        where = {"data_dir": given.data_dir, "verdicts": path}
        return measure(
            settings, trained / given.scale / cell.name, (own, near), size, **where
        )

    found = comparison.finish(listed, measured, folder / "runs", given)
    results = {every[name][:3]: values for name, values in found.items()}
    text = markdown(given.table, given.scale, results, folder)
    write_text(folder / f"{given.table}.md", text)
    if found:
        draw(given.table, given.scale, results, folder / f"{given.table}.svg")
    return text


def _by_its_script(given) -> str:
    """The page of a comparison that has a script of its own, in a folder of its own."""
    places = ("data_dir", "minutes", "parts", "part", "seeds")
    values = {name: getattr(given, name) for name in places}
    for name in ("results", "run_dir"):
        values[name] = Path(getattr(given, name)) / given.scale / given.table
    if given.table == "modes":
        scale = "smoke" if given.scale == "smoke" else "cpu"  # the plan is on MNIST
        chosen = values | {"scale": scale, "limit": None}
        return modes.compare(types.SimpleNamespace(**chosen))
    chosen = values | compare_systems.USUAL | _SYSTEMS[given.scale]
    return compare_systems.compare(types.SimpleNamespace(**chosen))


def main(_) -> None:
    """Reproduces a table as the flags say."""
    comparison.say(reproduce)


if __name__ == "__main__":
    comparison.define_flags(run_dir="runs/reproduced", results="results/reproduced")
    flags.DEFINE_string("table", None, f"One of: {', '.join(NAMES)}.", required=True)
    flags.DEFINE_string("scale", "cpu", f"One of: {', '.join(SCALES)}.")
    flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds of weights, data and noise.")
    app.run(main)
