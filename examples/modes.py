"""Do hidden modes matter for adversarial training, and do prototypes find them?

    python examples/modes.py --scale smoke --results /tmp/modes    # a trial
    python examples/modes.py --minutes 95 --parts 2 --part 0       # results/plan.json

Divides 2M digits of MNIST at random into two classes of M hidden modes each, trains a
small net in six ways (modes_arms.py) and asks which share of what fine labels would
win each of them wins. First lambda_1 is chosen on validation data for each M and arm,
with a seed of its own; then come the runs of the plan, one small file each, table.md
and two plots. The same command continues after an interruption. With `--parts`, call
all of them again if one says that it waits for the others' choices.
"""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cells as comparison
import modes_tables
from absl import app, flags
from adaptive import against
from modes_arms import ARMS, Arm, arms_of, predictor_of, settings_of, trained
from modes_plan import SCALES, Plan, data_of, partition_of, read_plan
from settings import Settings

import keras_mpat as mpat
from keras_mpat import attacks, backend
from keras_mpat.evaluation import evaluate_robustness, prototype_modes
from keras_mpat.files import write_json, write_text

_PROTOTYPES = ("nmi", "class_nmi", "purity", "purity_of_one", "prototypes_per_class")


class Run(NamedTuple):
    """One run: which arm, with how many modes, seed and lambda_1."""

    modes: int
    name: str
    seed: int
    weight: float | None

    @property
    def arm(self) -> Arm:
        """How it is trained."""
        return ARMS[self.name]


def tuning_runs(plan: Plan) -> dict[str, Run]:
    """The runs in which lambda_1 is chosen, by name of their cell."""
    found = {}
    for modes in plan.modes:
        for name, arm in arms_of(modes).items():
            for weight in plan.tuning["head_weight"] if arm.head != "none" else ():
                run = Run(modes, name, plan.tuning["seed"], weight)
                found[f"m{modes}-{arm.slug}-l{weight:g}"] = run
    return found


def runs(plan: Plan, weights: Mapping[tuple[int, str], float]) -> dict[str, Run]:
    """The runs of the comparison, one seed after the other, by name of their cell."""
    return {
        f"m{modes}-{arm.slug}-s{seed}": Run(
            modes, name, seed, weights.get((modes, name))
        )
        for seed in plan.seeds
        for modes in plan.modes
        for name, arm in arms_of(modes).items()
    }


def chosen_weights(
    plan: Plan, results: Mapping[str, Mapping[str, Any]]
) -> dict[tuple[int, str], float]:
    """lambda_1 by (M, arm): the best on validation data, of equals the smallest.

    Args:
        results: finished cells of `tuning_runs`, by name.
    """
    best: dict[tuple[int, str], tuple[float, float]] = {}
    for cell, run in tuning_runs(plan).items():
        if run.weight is not None:
            found = (max(results[cell]["validation"]), -run.weight)
            best[run[:2]] = max(found, best.get(run[:2], found))
    return {key: -found[1] for key, found in best.items()}


def measure(run: Run, settings: Settings, plan: Plan, folder: Path, *, data_dir):
    """Trains and attacks one run; continues if it was interrupted.

    Args:
        run: what is trained.
        settings: from `settings_of`.
        plan: from `read_plan`.
        folder: of the run.
        data_dir: folder of prepared data.
    """
    partition = partition_of(run.modes, run.seed)
    data = data_of(partition, plan, data_dir=data_dir)
    model, kept = trained(run.arm, settings, run.modes, data, folder)
    values: dict[str, Any] = {"device": backend.device_name(), **kept}
    if model.head is not None:
        test = data.test
        held = prototype_modes(model, test.x, test.superclass, test.mode).to_dict()
        values["prototypes"] = {name: held[name] for name in _PROTOTYPES}
    state = folder / "evaluation_state"
    ball = mpat.Linf(settings.epsilon)
    result = attacked(run.arm, model, ball, data, plan.attacks, state)
    found = result.to_dict()
    values |= {
        "n": result.n,
        "partition": [list(digits) for digits in partition],
        "clean": found["clean"],
        "autoattack": found["stages"][0]["correct"],
        "robust": found["robust"],
        "stages": {stage.name: stage.accuracy for stage in result.stages},
        "zero_gradients": result.zero_gradients,
    }
    harder = plan.attacks["thorough"]
    if run.seed in harder["seeds"]:
        result = attacked(run.arm, model, ball, data, harder, folder / "thorough_state")
        values["thorough"] = result.to_dict()["robust"]
    return values


def attacked(arm: Arm, model, ball, data, sizes: Mapping[str, Any], state: Path):
    """Verdicts of AutoAttack-K and, with a head, of the attacks that know it.

    Args:
        arm: how the model was trained.
        model: from `trained`.
        ball: the threat model.
        data: from `data_of`.
        sizes: `auto_attack`, its version; `adaptive_steps`; `test_examples`, the first
            ones only, all if it is missing.
        state: folder of what an interrupted evaluation has found; gone at the end.
    """
    auto = attacks.AutoAttack(ball, version=sizes["auto_attack"])
    chosen: dict[str, attacks.Attack] = {auto.title(2): auto}
    if model.head is not None:
        train = data.train.x, data.train.superclass
        chosen |= against(model, ball, train, steps=sizes["adaptive_steps"])
    count = sizes.get("test_examples")
    x, y = data.test.x[:count], data.test.superclass[:count]
    result = evaluate_robustness(
        predictor_of(arm, model),
        (x, y),
        chosen,
        batch_size=min(128, len(x)),
        state_dir=state,
        verbose=sys.stdout.isatty(),
    )
    shutil.rmtree(state)  # adversarial images, of which only verdicts are wanted
    return result


def tune(run: Run, settings: Settings, plan: Plan, folder: Path, *, data_dir):
    """Robust accuracy on validation data after each epoch of one run of tuning."""
    partition = partition_of(run.modes, run.seed)
    data = data_of(partition, plan, data_dir=data_dir)
    return trained(run.arm, settings, run.modes, data, folder)[1]


def finish(listed: Mapping[str, Run], work, given, plan: Plan, stage: str):
    """Runs the cells of one stage that are missing; returns those that are done.

    Args:
        listed: all of the stage, by name.
        work: `tune` or `measure`.
        given: the flags.
        plan: from `read_plan`.
        stage: name of its folder.
    """
    settings = {
        name: settings_of(
            plan, run.arm, modes=run.modes, seed=run.seed, weight=run.weight
        )
        for name, run in listed.items()
    }
    shared = {"data": dict(plan.data), "attacks": dict(plan.attacks)}
    every = [
        comparison.Cell(
            name,
            f"M = {run.modes}, {run.name}, seed {run.seed}",
            {"modes": run.modes, "arm": run.name, "settings": settings[name].to_dict()}
            | (shared if stage == "cells" else {"data": dict(plan.data)}),
        )
        for name, run in listed.items()
    ]

    def measured(cell: comparison.Cell) -> dict[str, Any]:
        folder = Path(given.run_dir) / stage / cell.name
        options = {"data_dir": given.data_dir}
        return work(listed[cell.name], settings[cell.name], plan, folder, **options)

    return comparison.finish(every, measured, Path(given.results) / stage, given)


def compare(given) -> str:
    """Runs the cells that are missing; returns the table of those that are done."""
    plan = read_plan(given.scale, limit=given.limit)
    folder = Path(given.results)
    tuning = tuning_runs(plan)
    done = finish(tuning, tune, given, plan, "tuning")
    if len(done) < len(tuning):
        left = len(tuning) - len(done)
        return f"{left} choices of lambda_1 are left; the same command continues.\n"
    weights = chosen_weights(plan, done)
    chosen = {f"M = {modes}, {arm}": value for (modes, arm), value in weights.items()}
    write_json(folder / "lambda_1.json", chosen)
    listed = runs(plan, weights)
    found = finish(listed, measure, given, plan, "cells")
    results = {listed[name][:3]: values for name, values in found.items()}
    text = modes_tables.tables(results, plan, weights)
    write_text(folder / "table.md", text)
    modes_tables.draw(results, plan, folder)
    return text


def main(_) -> None:
    """Runs the experiment as the flags say."""
    comparison.say(compare, FloatingPointError)


if __name__ == "__main__":
    comparison.define_flags(run_dir="runs/modes", results="results/modes")
    flags.DEFINE_enum("scale", "cpu", SCALES, "The plan, or a trial of it.")
    flags.DEFINE_integer("limit", None, "First test images only.", lower_bound=1)
    app.run(main)
