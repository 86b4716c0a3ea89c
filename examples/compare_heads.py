"""Metric-learning heads side by side: several seeds, with and without warm-up.

    python examples/compare_heads.py --run_dir runs/heads --results results/heads

Trains and attacks one cell after the other; seeds change weights, data order and noise.
Writes one small file per finished cell, and table.md. The same command continues after
an interruption; `--minutes` begins no cell after that time, and `--parts 2 --part 0`
beside `--parts 2 --part 1` share the cells between two processes.
"""

import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import evaluate
import settings as run_settings
import train as training_script
from absl import app, flags
from merging import read_merging
from run_directory import RunDirectory, write_whole

import keras_mpat as mpat

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
        **_identity(settings, limit, restarted),
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
    lines = [head, ["---"] * len(head)]
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
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def compare(given) -> str:
    """Runs the cells that are missing; returns the table of those that are done."""
    seeds = _integers("seeds", given.seeds)
    warmups = _integers("warmups", given.warmups)
    if given.part >= given.parts:
        raise ValueError(
            f"`part` must be below `parts`. Received: part={given.part}, parts="
            f"{given.parts}. Parts are counted from 0."
        )
    runs, folder = Path(given.run_dir), Path(given.results)
    (folder / "cells").mkdir(parents=True, exist_ok=True)
    every = list(
        cells(given.dataset, given.epochs, warmups, seeds, given.train_examples)
    )
    _finished(folder, every, given)  # refuses those of other settings at once
    begun, spent = time.perf_counter(), []
    mine = every[given.part :: given.parts]
    mine = [cell for cell in mine if not _file(folder, cell).exists()]
    for number, cell in enumerate(mine):
        if time.perf_counter() - begun > 60 * given.minutes:
            print(f"{given.minutes} minutes are over; the same command continues.")
            break
        left = len(mine) - number
        rest = f"about {statistics.mean(spent) * left / 60:.0f} min" if spent else "?"
        print(f"{cell[0]} {cell[1]}: {left} cells left, {rest}", flush=True)
        start = time.perf_counter()
        found = measure(
            cell[-1],
            runs / cell[0],
            data_dir=given.data_dir,
            limit=given.limit,
            restarted=given.restarted,
        )
        spent.append(time.perf_counter() - start)
        write_whole(_file(folder, cell), json.dumps(found, indent=1) + "\n")
    results = _finished(folder, every, given)
    text = table(results) if results else "No cell is finished.\n"
    write_whole(folder / "table.md", text)
    return text


def _finished(folder: Path, every: list[tuple], given) -> dict[tuple, dict[str, Any]]:
    return {
        cell[1:4]: _read(
            _file(folder, cell), _identity(cell[-1], given.limit, given.restarted)
        )
        for cell in every
        if _file(folder, cell).exists()
    }


def _identity(settings, limit, restarted) -> dict[str, Any]:
    given = {"settings": settings.to_dict(), "limit": limit, "restarted": restarted}
    return json.loads(json.dumps(given))  # as it is read again


def _read(path: Path, identity: dict[str, Any]) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8"))
    for name, value in identity.items():
        if found[name] != value:
            raise ValueError(
                "`results` must be a new folder or hold cells of the same settings. "
                f"Received: {path}, whose {name} differ. Pass another folder."
            )
    return found


def _integers(name: str, texts) -> list[int]:
    try:
        return [int(text) for text in texts]
    except ValueError:
        raise ValueError(
            f"`{name}` must be integers. Received: {name}={','.join(texts)}. Pass "
            f"{name}=0,1,2."
        ) from None


def _file(folder: Path, cell: tuple) -> Path:
    return folder / "cells" / f"{cell[0]}.json"


def main(_) -> None:
    """Runs the comparison as the flags say."""
    try:
        print(compare(flags.FLAGS))
    except (ValueError, FileNotFoundError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    flags.DEFINE_string("run_dir", "runs/heads", "Folder of the runs, one per cell.")
    flags.DEFINE_string("results", "results/heads", "Folder of the figures.")
    flags.DEFINE_string("data_dir", None, "Folder of prepared data sets.")
    flags.DEFINE_string("dataset", "mnist_2", "Data set with two classes.")
    flags.DEFINE_integer("epochs", 10, "Passes over the data.", lower_bound=1)
    flags.DEFINE_list("warmups", ["2", "0"], "Epochs in which epsilon grows from 0.")
    flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds of weights, data and noise.")
    flags.DEFINE_integer("train_examples", None, "First training images only.")
    flags.DEFINE_integer("limit", None, "First test images only.", lower_bound=1)
    flags.DEFINE_integer("restarted", 1000, "Test images for 20 x PGD-100.")
    flags.DEFINE_float("minutes", 1e9, "Begins no cell after so many minutes.")
    flags.DEFINE_integer("parts", 1, "Processes that share the cells.", lower_bound=1)
    flags.DEFINE_integer("part", 0, "Which of them this one is.", lower_bound=0)
    app.run(main)
