"""ATLD, feature scattering and pretrainings beside MPAT: what PGD says, what is true.

    python examples/compare_systems.py --dataset mnist --results results/systems_mnist

Trains each system and attacks it: clean, PGD-20, CW-20, APGD on cross-entropy and on
the margin, and AutoAttack on fewer images. ATLD is judged with its three inferences;
attacks on the dynamic ones go through them, and are also made on the net inside. Some
systems have several seeds. One small file per finished cell, and table.md; the same
command continues after an interruption, `--parts 2 --part 0` shares the cells, and
`--only_train` leaves the attacks for later, on another machine perhaps.
"""

import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cells as comparison
import evaluate
import settings as run_settings
import train as training_script
from absl import app, flags
from encoders import probe
from inference import adapted, predictor
from run_directory import RunDirectory, source

import keras_mpat as mpat
from keras_mpat import attacks
from keras_mpat.evaluation import seed_interval, wilson_interval
from keras_mpat.files import write_text

_MPAT = {"strategy": "pgd", "head": "soft_triple"}
SYSTEMS: dict[str, dict[str, Any]] = {
    "PGD": {"strategy": "pgd", "head": "none"},
    "feature scattering": {"strategy": "feature_scattering"},
    "ATLD": {"strategy": "atld"},
    "MPAT": _MPAT,
    "RoCL, then MPAT": {**_MPAT, "pretrain": "rocl"},
    "ACL, then MPAT": {**_MPAT, "pretrain": "acl"},
}
ONE_SEED = ("PGD", "feature scattering")
UNSEEN_BY_AUTOATTACK = ("RoCL, then MPAT", "ATLD+")
# What the flags are unless they are given.
USUAL: dict[str, Any] = {
    "dataset": "mnist",
    "epsilon": None,
    "width": None,
    "epochs": 10,
    "batch_size": None,
    "pretrain_epochs": 10,
    "pretrain_batch_size": 512,
    "train_examples": 10_000,
    "limit": 2000,
    "hard": 500,
    "attack_batch_size": 128,
    "only_train": False,
}
# The same for all: no weight norm, a triangle of the rate.
COMMON = {"regularizer": "none", "schedule": "cyclic", "learning_rate": 0.1}
INFERENCES = {"ATLD−": "plain", "ATLD": "imt", "ATLD+": "imt_plus"}


def cells(given, seeds) -> dict[str, tuple[str, int, run_settings.Settings]]:
    """(system, seed, settings) by name: the first seed of all, then the others."""
    found = {}
    for seed in seeds:
        for number, (system, own) in enumerate(SYSTEMS.items()):
            if seed != seeds[0] and system in ONE_SEED:
                continue
            chosen = COMMON | own | {"dataset": given.dataset, "seed": seed}
            names = ("epochs", "train_examples", "epsilon", "width", "batch_size")
            chosen |= {name: getattr(given, name) for name in names}
            if "pretrain" in own:
                chosen["pretrain_epochs"] = given.pretrain_epochs
                chosen["pretrain_batch_size"] = given.pretrain_batch_size
            settings = run_settings.resolve(chosen)
            found[f"{number:02d}-s{seed}"] = (system, seed, settings)
    return found


def measure(system: str, settings, run_dir: Path, **sizes) -> dict[str, Any]:
    """Trains and attacks one cell; continues if it was interrupted.

    Args:
        system: its name.
        settings: of the run.
        run_dir: its folder.
        sizes: `data_dir`; `limit` and `hard`, the first test images of all attacks and
            of AutoAttack; `batch_size` of the attacks.
    """
    record = training_script.train(settings, run_dir, data_dir=sizes["data_dir"])
    rows = RunDirectory(run_dir, settings.to_dict()).rows()
    values: dict[str, Any] = {
        "device": record["device"],
        "seconds_per_epoch": statistics.median(float(row["seconds"]) for row in rows),
        "attacked": {},
    }
    if settings.pretrain is not None:
        values["probe"] = probe(settings, run_dir / "pretraining", **_where(record))
    kinds = INFERENCES if system == "ATLD" else {system: "plain"}
    for title, kind in kinds.items():
        model = predictor(run_dir, kind)
        counts = {"first look": sizes["limit"]}
        if title not in UNSEEN_BY_AUTOATTACK:
            counts["AutoAttack"] = sizes["hard"]
        ball, batch = mpat.Linf(settings.epsilon), sizes["batch_size"]
        values["attacked"][title] = attacked(run_dir, model, ball, counts, batch)
    return values


def attacked(
    run_dir, model, ball, counts: Mapping[str, int], batch_size: int
) -> dict[str, Any]:
    """Accuracies of one predictor; of attacks that go through it, and the worst case.

    Args:
        run_dir: where the work is kept.
        model: what predicts, from `inference.predictor`.
        ball: the threat model.
        counts: how many first test images, by plan: "first look", "AutoAttack".
        batch_size: images per batch; verdicts do not depend on it.
    """
    twenty = {"steps": 20, "step_size": ball.radius / 4}
    margin = attacks.APGD(ball, objective=mpat.objectives.Margin())
    several = {
        "PGD-20": attacks.PGD(ball, **twenty),
        "CW-20": attacks.CW(ball, **twenty),
        "APGD-CE": attacks.APGD(ball),
        "APGD-margin": margin,
    }
    plans = {
        "first look": several,
        "AutoAttack": {"AutoAttack": attacks.AutoAttack(ball)},
    }
    found: dict[str, Any] = {}
    for plan, count in counts.items():
        chosen = adapted(plans[plan], model)
        key = {"inference": getattr(model, "adaptive", None)}
        folder = evaluate.state_folder(run_dir, chosen, {"limit": count, **key})
        options = {"limit": count, "batch_size": batch_size, "state_dir": folder}
        result = evaluate.evaluate(run_dir, chosen=chosen, model=model, **options)
        found[plan] = {
            "n": result.n,
            "clean": result.clean_accuracy,
            **{stage.name: stage.accuracy for stage in result.stages},
            "worst": result.robust_accuracy,
            "zero_gradients": result.zero_gradients,
        }
    return found


def table(results: Mapping[tuple[str, int], dict[str, Any]]) -> str:
    """Markdown: a row per predictor and seed, the interval of AutoAttack's verdict.

    Below, what pretrainings do: probes, and the difference to MPAT without them.

    Args:
        results: by (system, seed), as `measure` returns them.
    """
    names = ["clean", "PGD-20", "CW-20", "APGD-CE", "APGD-margin", "worst"]
    lines = [["system", "seed", *names, "AutoAttack, worst", "95 %", "s/epoch"]]
    for (_, seed), cell in results.items():
        for title, found in cell["attacked"].items():
            first, hard = found["first look"], found.get("AutoAttack")
            row = [f"{100 * first[name]:.1f}" for name in names]
            row += ["", ""] if hard is None else _hard(hard)
            seconds = f"{cell['seconds_per_epoch']:.0f}"
            lines.append([title, str(seed), *row, seconds])
    text = comparison.markdown(lines)
    for more in (_probes(results), _gains(results)):
        text += f"\n{comparison.markdown(more)}" if len(more) > 1 else ""
    return text


def _probes(results) -> list[list[str]]:
    """Of the frozen embedding, before and after."""
    probes = [["pretraining", "seed", "probe before", "probe after"]]
    for (system, seed), cell in results.items():
        if "probe" in cell:
            shares = [
                f"{100 * cell['probe'][name]:.1f}" for name in ("before", "after")
            ]
            probes.append([system, str(seed), *shares])
    return probes


def _gains(results) -> list[list[str]]:
    """Against MPAT with the same seed, in points: mean and 95 % over the seeds."""
    worst = {  # by system, plan and seed
        (system, plan, seed): found["worst"]
        for (system, seed), cell in results.items()
        for plan, found in cell["attacked"].get(system, {}).items()
    }
    lines = [["system, against MPAT", "plan", "seeds", "points", "95 % (Student's t)"]]
    for system in (name for name in SYSTEMS if name.endswith(", then MPAT")):
        for plan in ("first look", "AutoAttack"):
            gains = [
                100 * (share - worst["MPAT", plan, seed])
                for (name, other, seed), share in worst.items()
                if (name, other) == (system, plan) and ("MPAT", plan, seed) in worst
            ]
            if len(gains) > 1:
                low, high = seed_interval(gains)
                figures = f"{statistics.mean(gains):+.1f}", f"{low:+.1f} to {high:+.1f}"
                lines.append([system, plan, str(len(gains)), *figures])
    return lines


def _hard(found: Mapping[str, Any]) -> list[str]:
    low, high = wilson_interval(round(found["worst"] * found["n"]), found["n"])
    interval = f"{100 * low:.1f} to {100 * high:.1f}"
    return [f"{100 * found['worst']:.1f} (n = {found['n']})", interval]


def _where(record) -> dict[str, Any]:
    where = source(record)
    del where["name"]
    return where


def compare(given) -> str:
    """Runs the cells that are missing; returns the table of those that are done."""
    every = cells(given, comparison.integers("seeds", given.seeds))
    size = {"limit": given.limit, "hard": given.hard}
    listed = [
        comparison.Cell(
            name, f"{system}, seed {seed}", {"settings": settings.to_dict(), **size}
        )
        for name, (system, seed, settings) in every.items()
    ]
    folder, runs = Path(given.results), Path(given.run_dir)

    def trained(cell: comparison.Cell) -> None:
        _, _, settings = every[cell.name]
        training_script.train(settings, runs / cell.name, data_dir=given.data_dir)

    if given.only_train:
        return comparison.only_train(listed, trained, folder / "cells", given)

    def measured(cell: comparison.Cell) -> dict[str, Any]:
        system, _, settings = every[cell.name]
        options = {"data_dir": given.data_dir, "batch_size": given.attack_batch_size}
        options |= size
        return measure(system, settings, runs / cell.name, **options)

    found = comparison.finish(listed, measured, folder / "cells", given)
    text = table({every[name][:2]: values for name, values in found.items()})
    write_text(folder / "table.md", text)
    return text


def main(_) -> None:
    """Compares as the flags say."""
    comparison.say(compare)


if __name__ == "__main__":
    comparison.define_flags(run_dir="runs/systems", results="results/systems")
    flags.DEFINE_string("dataset", None, "Data set.")
    flags.DEFINE_string(
        "epsilon", USUAL["epsilon"], "Radius; default: that of the data set."
    )
    flags.DEFINE_integer(
        "width", USUAL["width"], "Channels of the first stage of a resnet."
    )
    flags.DEFINE_integer(
        "epochs", USUAL["epochs"], "Passes over the data.", lower_bound=1
    )
    flags.DEFINE_integer(
        "batch_size", USUAL["batch_size"], "Images per batch.", lower_bound=1
    )
    flags.DEFINE_integer(
        "pretrain_epochs", USUAL["pretrain_epochs"], "Of pretraining.", lower_bound=1
    )
    flags.DEFINE_integer(
        "pretrain_batch_size",
        USUAL["pretrain_batch_size"],
        "Of pretraining.",
        lower_bound=2,
    )
    flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds of weights, data and noise.")
    flags.DEFINE_integer(
        "train_examples", USUAL["train_examples"], "First training images only."
    )
    flags.DEFINE_integer("limit", None, "First test images.", lower_bound=1)
    flags.DEFINE_integer("hard", None, "Images of AutoAttack.", lower_bound=1)
    flags.DEFINE_integer(
        "attack_batch_size", None, "Images per batch of the attacks.", lower_bound=1
    )
    flags.DEFINE_bool("only_train", None, "Trains all, attacks none.")
    for name, value in USUAL.items():
        flags.FLAGS.set_default(name, value)
    app.run(main)
