"""Color images whose classes hide several modes: MPAT beside its twins.

    python examples/multimodal.py --dataset cifar10_2 --minutes 95 --parts 2 --part 0
    python examples/multimodal.py --dataset cifar10_2 --only_train    # attack later

Trains the arms of results/plan.json (key "multimodal") on the superclasses of the data
set, and one net on its fine labels: collapsed (the largest logit of each superclass) it
is what anyone with fine labels would use. All are attacked with PGD and APGD on the
first test images. Writes one small file per finished cell and table.md, with exact
paired tests of MPAT against each of the others. The same command continues.
"""

import json
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cells as comparison
import evaluate
import numpy as np
import settings as run_settings
import train as training_script
from absl import app, flags
from modes_plan import PLAN
from run_directory import RunDirectory

import keras_mpat as mpat
from keras_mpat import attacks, datasets
from keras_mpat.evaluation import RobustnessResult
from keras_mpat.evaluation.checks.protocol import collapse
from keras_mpat.evaluation.loading import load_classifier
from keras_mpat.files import write_text

OURS, COLLAPSED = "MPAT", "fine labels, collapsed"
FINE = {"cifar10_2": "cifar10", "cifar100_10": "cifar100", "digits_2": "digits"}


def read_plan(epsilon: str | None = None) -> dict[str, Any]:
    """What is run, with another radius than the data set's if one is given."""
    plan = json.loads(PLAN.read_text(encoding="utf-8"))["multimodal"]
    if epsilon is not None:
        plan["training"]["epsilon"] = epsilon
    return plan


def arms(plan: Mapping[str, Any], dataset: str) -> dict[str, dict[str, Any]]:
    """Settings of train.py by the name of the arm; the fine net where there is one."""
    names = plan["arms"] if dataset in FINE else plan["arms_of_one_mode"]
    found = {
        name: plan["training"] | plan["arms"][name] | {"dataset": dataset}
        for name in names
    }
    if dataset in FINE:
        plain = plan["training"] | {"head": "none", "dataset": FINE[dataset]}
        found[COLLAPSED] = plain
    return found


def run_name(given: Mapping[str, Any], seed: int) -> str:
    """The folder of a run: data sets share the net on the fine labels."""
    head = [given["head"], given.get("prototypes_per_class")]
    words = [given["dataset"], *(str(word) for word in head if word is not None)]
    return f"{'-'.join(words)}-s{seed}"


def attack(run_dir: Path, dataset: str, plan: Mapping[str, Any], **where):
    """(verdicts, images of each class) of one run's classifier.

    That of the fine labels is collapsed to the classes of the data set.

    Args:
        run_dir: a finished run.
        dataset: what its classes are asked for.
        plan: from `read_plan`.
        where: `data_dir`, `batch_size`.
    """
    record, path = evaluate.finished(run_dir)
    classifier = load_classifier(path)
    if record["settings"]["dataset"] != dataset:
        info = datasets.info(dataset, data_dir=where["data_dir"])
        classifier = collapse(classifier, np.asarray(info.label_map))
    x, y, _ = datasets.arrays(dataset, "test", data_dir=where["data_dir"])
    left_out = plan["left_out"].get(FINE.get(dataset, dataset), [])
    kept = np.setdiff1d(np.arange(len(x)), left_out)
    kept = kept[: plan["test_examples"]]
    ball = mpat.Linf(record["settings"]["epsilon"])
    steps, margin = plan["apgd_steps"], mpat.objectives.Margin()
    chosen = {
        "PGD-10": attacks.PGD(ball),
        "APGD-CE": attacks.APGD(ball, steps=steps),
        "APGD-margin": attacks.APGD(ball, steps=steps, objective=margin),
    }
    result = mpat.evaluation.evaluate_robustness(
        classifier,
        (x[kept], y[kept]),
        chosen,
        batch_size=where["batch_size"],
        state_dir=run_dir / f"evaluation_state-{dataset}",
        verbose=sys.stdout.isatty(),
    )
    return result, np.bincount(y[kept])


def table(plan, dataset: str, results: Mapping[tuple[str, int], dict]) -> str:
    """Markdown: a row per arm, and what MPAT gains over it.

    Args:
        plan: from `read_plan`.
        dataset: its name.
        results: by (arm, seed), what the cells hold.
    """
    columns = ["arm", "seeds", "clean", "PGD-10", "worst case"]
    lines = [[*columns, "95 %", f"{OURS} gains", "minutes"]]
    loaded = {
        key: RobustnessResult.from_dict(cell["verdicts"])
        for key, cell in results.items()
    }
    mean = comparison.mean_and_worst
    for arm in arms(plan, dataset):
        seeds = sorted(seed for name, seed in results if name == arm)
        if not seeds:
            continue
        own = [loaded[arm, seed] for seed in seeds]
        pgd = [dict((s.name, s.accuracy) for s in r.stages)["PGD-10"] for r in own]
        right, n = sum(int(r.robust.sum()) for r in own), sum(r.n for r in own)
        minutes = [results[arm, seed]["minutes"] for seed in seeds]
        lines.append(
            [
                arm,
                str(len(seeds)),
                mean([r.clean_accuracy for r in own]),
                mean(pgd),
                mean([r.robust_accuracy for r in own]),
                comparison.pooled_interval(right, n),
                _gain(arm, seeds, loaded),
                f"{statistics.mean(minutes):.1f}",
            ]
        )
    counts = next(iter(results.values()))["images_per_class"]
    constant = 100 * max(counts) / sum(counts)
    about = f"# {dataset}\n\nA net with one answer is right for {constant:.1f} %.\n\n"
    return about + comparison.markdown(lines)


def _gain(arm: str, seeds, loaded) -> str:
    both = [seed for seed in seeds if (OURS, seed) in loaded]
    if arm == OURS or not both:
        return "–"
    first, second = ([loaded[name, seed] for seed in both] for name in (OURS, arm))
    return comparison.gained(first, second, (OURS, arm))


def compare(given) -> str:
    """Runs the cells that are missing; returns the table of those that are done."""
    plan = read_plan(given.epsilon)
    dataset, runs = given.dataset, Path(given.run_dir)
    every = {
        run_name(values, seed): (
            arm,
            seed,
            run_settings.resolve(values | {"seed": seed}),
        )
        for seed in comparison.integers("seeds", given.seeds)
        for arm, values in arms(plan, dataset).items()
    }
    sizes = {name: plan[name] for name in ("test_examples", "apgd_steps", "left_out")}
    listed = [
        comparison.Cell(
            name, f"({arm}, seed {seed})", {"settings": settings.to_dict(), **sizes}
        )
        for name, (arm, seed, settings) in every.items()
    ]
    folder = Path(given.results) / dataset

    def trained(cell: comparison.Cell) -> dict[str, Any]:
        settings, run_dir = every[cell.name][-1], runs / cell.name
        return training_script.train(settings, run_dir, data_dir=given.data_dir)

    if given.only_train:
        return comparison.only_train(listed, trained, folder / "cells", given)

    def measured(cell: comparison.Cell) -> dict[str, Any]:
        settings, run_dir = every[cell.name][-1], runs / cell.name
        record = trained(cell)
        where = {"data_dir": given.data_dir, "batch_size": given.batch_size}
        found, counts = attack(run_dir, dataset, plan, **where)
        return {
            "device": record["device"],
            "versions": record["versions"],
            "minutes": RunDirectory(run_dir, settings.to_dict()).minutes(),
            "images_per_class": counts.tolist(),
            "verdicts": found.to_dict(),
        }

    found = comparison.finish(listed, measured, folder / "cells", given)
    if not found:
        return "No cell is finished.\n"
    text = table(plan, dataset, {every[n][:2]: v for n, v in found.items()})
    write_text(folder / "table.md", text)
    return text


def main(_) -> None:
    """Compares as the flags say."""
    comparison.say(compare)


if __name__ == "__main__":
    comparison.define_flags(run_dir="runs/multimodal", results="results/multimodal")
    flags.DEFINE_string("dataset", "cifar10_2", "Data set of superclasses.")
    flags.DEFINE_string("epsilon", None, "Radius; default: that of the data set.")
    flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds of weights, data and noise.")
    flags.DEFINE_integer("batch_size", 128, "Images per batch of the attacks.")
    flags.DEFINE_bool("only_train", False, "Trains all, attacks none.")
    app.run(main)
