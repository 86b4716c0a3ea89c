"""Metric-learning heads side by side: several seeds, with and without warm-up.

    python examples/compare_heads.py --run_dir runs/heads --results results/heads

Trains and attacks one cell after the other; seeds change weights, data order and noise.
Writes one small file per finished cell, and table.md. The same command continues after
an interruption; `--minutes` begins no cell after that time, and `--parts 2 --part 0`
beside `--parts 2 --part 1` share the cells between two processes.
"""

import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cells as comparison
import evaluate
import settings as run_settings
import train as training_script
from absl import app, flags
from merging import read_merging
from run_directory import RunDirectory

import keras_mpat as mpat
from keras_mpat.files import write_text

METHODS: dict[str, dict[str, Any]] = {
    "no head": {"head": "none"},
    "SoftTriple, K = 1": {"head": "soft_triple", "prototypes_per_class": 1},
    "SoftTriple, K = 5": {"head": "soft_triple", "prototypes_per_class": 5},
    "SoftTriple, K = 10, merged": {
        "head": "soft_triple",
        "prototypes_per_class": 10,
        "merge_threshold": 0.2,
    },
    "triplet (TLA)": {"head": "triplet"},
    "triplet, random negatives (TLA-RN)": {"head": "triplet_random"},
    "triplet, switched anchor (TLA-SA)": {"head": "triplet_switched"},
    "N-pair": {"head": "n_pair"},
    "Proxy-NCA": {"head": "proxy_nca"},
    "Proxy-Anchor": {"head": "proxy_anchor"},
    "logit pairing (ALP)": {"strategy": "logit_pairing"},
}
# The same for all: a small net, steps of 2.5 epsilon / 7, no weight norm.
COMMON = {
    "regularizer": "none",
    "schedule": "cyclic",
    "learning_rate": 0.1,
    "steps": 7,
}
ON_ALL = {"PGD-100": mpat.attacks.PGD, "CW-100": mpat.attacks.CW}
RESTARTED = "20 x PGD-100"
# Below this clean accuracy a net of two classes has hardly learned anything.
COLLAPSED = 0.6


def cells(dataset: str, epochs: int, warmups, seeds, limit) -> Iterator[tuple]:
    """(name, method, warm-up, seed, settings), one seed after the other."""
    for seed in seeds:
        for warmup in warmups:
            for number, (method, given) in enumerate(METHODS.items()):
                settings = run_settings.resolve(
                    {
                        "dataset": dataset,
                        "epochs": epochs,
                        "warmup_epochs": warmup,
                        "seed": seed,
                        "train_examples": limit,
                        "strategy": "pgd",
                        **COMMON,
                        **given,
                    }
                )
                yield f"{number:02d}-w{warmup}-s{seed}", method, warmup, seed, settings


def measure(settings, run_dir: Path, *, data_dir, limit, restarted) -> dict[str, Any]:
    """Trains and attacks one cell; continues if it was interrupted.

    Args:
        settings: of the run.
        run_dir: its folder.
        data_dir: folder of prepared data.
        limit: test images that PGD-100 and CW-100 attack; `None`: all.
        restarted: first test images that PGD-100 attacks 20 times.
    """
    record = training_script.train(settings, run_dir, data_dir=data_dir)
    ball = mpat.Linf(settings.epsilon)
    steps = {"steps": 100, "step_size": ball.radius / 10}
    chosen = {name: kind(ball, **steps) for name, kind in ON_ALL.items()}
    result = evaluate.evaluate(run_dir, chosen=chosen, limit=limit)
    often = {RESTARTED: mpat.attacks.PGD(ball, restarts=20, **steps)}
    worst = evaluate.evaluate(run_dir, chosen=often, limit=restarted)
    rows = RunDirectory(run_dir, settings.to_dict()).rows()
    merging = read_merging(run_dir)
    return {
        "device": record["device"],
        "n": result.n,
        "clean": result.clean_accuracy,
        **{stage.name: stage.accuracy for stage in result.stages},
        RESTARTED: worst.robust_accuracy,
        "zero_gradients": result.zero_gradients,
        "seconds_per_epoch": statistics.median(float(row["seconds"]) for row in rows),
        "prototypes_left": merging and merging["history"][-1],
    }


def table(results: dict[tuple, dict[str, Any]]) -> str:
    """Markdown: mean over the seeds, the worst in brackets, per method and warm-up.

    Args:
        results: by (method, warm-up, seed), as `measure` returns them.
    """
    columns = ["clean", *ON_ALL, RESTARTED]
    head = ["method", "warm-up", "seeds", *columns, "s/epoch", "collapsed", "left"]
    lines = [head]
    for warmup in sorted({key[1] for key in results}, reverse=True):
        for method in METHODS:
            found = [r for key, r in results.items() if key[:2] == (method, warmup)]
            if not found:
                continue
            values = [[100 * result[name] for result in found] for name in columns]
            left = [r["prototypes_left"] for r in found if r["prototypes_left"]]
            lines.append(
                [
                    method,
                    f"{warmup} epochs",
                    str(len(found)),
                    *(f"{statistics.mean(v):.1f} ({min(v):.1f})" for v in values),
                    f"{statistics.median(r['seconds_per_epoch'] for r in found):.0f}",
                    str(sum(result["clean"] < COLLAPSED for result in found)),
                    ", ".join("/".join(map(str, counts)) for counts in left),
                ]
            )
    return comparison.markdown(lines)


def compare(given) -> str:
    """Runs the cells that are missing; returns the table of those that are done."""
    seeds = comparison.integers("seeds", given.seeds)
    warmups = comparison.integers("warmups", given.warmups)
    size = {"limit": given.limit, "restarted": given.restarted}
    limit = given.train_examples
    every = {
        cell[0]: cell
        for cell in cells(given.dataset, given.epochs, warmups, seeds, limit)
    }
    listed = [
        comparison.Cell(name, cell[1], {"settings": cell[-1].to_dict(), **size})
        for name, cell in every.items()
    ]
    folder, runs = Path(given.results), Path(given.run_dir)

    def measured(cell: comparison.Cell) -> dict[str, Any]:
        settings = every[cell.name][-1]
        return measure(settings, runs / cell.name, data_dir=given.data_dir, **size)

    found = comparison.finish(listed, measured, folder / "cells", given)
    results = {every[name][1:4]: values for name, values in found.items()}
    text = table(results) if results else "No cell is finished.\n"
    write_text(folder / "table.md", text)
    return text


def main(_) -> None:
    """Runs the comparison as the flags say."""
    try:
        print(compare(flags.FLAGS))
    except (ValueError, FileNotFoundError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    comparison.define_flags(run_dir="runs/heads", results="results/heads")
    flags.DEFINE_string("dataset", "mnist_2", "Data set with two classes.")
    flags.DEFINE_integer("epochs", 10, "Passes over the data.", lower_bound=1)
    flags.DEFINE_list("warmups", ["2", "0"], "Epochs in which epsilon grows from 0.")
    flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds of weights, data and noise.")
    flags.DEFINE_integer("train_examples", None, "First training images only.")
    flags.DEFINE_integer("limit", None, "First test images only.", lower_bound=1)
    flags.DEFINE_integer("restarted", 1000, "Test images for 20 x PGD-100.")
    app.run(main)
