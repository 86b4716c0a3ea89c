"""`search`: the best point of a space under attack, whatever interrupts the way there.

result = keras_mpat.tuning.search(hyper_model, search_dir="runs/search")
result.best.values, result.best.score, result.interval(result.best)
"""

import os
import pickle
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras_tuner

from keras_mpat.choices import check_choice
from keras_mpat.configurable import check_positive
from keras_mpat.locks import locked
from keras_mpat.tuning import distributed
from keras_mpat.tuning.job import read_outcome
from keras_mpat.tuning.oracles import TUNERS, make_oracle
from keras_mpat.tuning.plan import Plan, SearchFile
from keras_mpat.tuning.preflight import check_counts, check_objective, preflight
from keras_mpat.tuning.process import check_guard, pickled
from keras_mpat.tuning.progress import SearchProgress
from keras_mpat.tuning.reading import read_result
from keras_mpat.tuning.report import write_report
from keras_mpat.tuning.results import SearchResult
from keras_mpat.tuning.searchable import SearchableHyperModel
from keras_mpat.tuning.tuner import TrialTuner

OBJECTIVE = "val_robust_accuracy"


@dataclass(frozen=True)
class _Budget:
    """What may change when a search goes on."""

    tuner: str
    max_trials: int | None
    max_hours: float | None
    seed: int
    patience: float


def search(
    hyper_model: SearchableHyperModel,
    *,
    search_dir: str | os.PathLike,
    tuner: str = "bayesian",
    objective: str = OBJECTIVE,
    max_trials: int | None = None,
    max_hours: float | None = None,
    seeds_per_trial: int = 1,
    score_epochs: int | None = None,
    seed: int = 0,
    role: str | None = None,
    oracle_address: str = "127.0.0.1:8000",
    worker_id: str = "worker0",
    worker_patience: float = 120.0,
    verbose: int = 1,
) -> SearchResult:
    """Searches a space, or goes on with it, or reads the result of a finished search.

    Each trial trains in a process of its own and keeps every epoch. Killed at any
    moment, the search loses the epoch that was running. A script that calls this must
    do so under `if __name__ == "__main__":`, because those processes import it.

    Args:
        hyper_model: what is trained, on which data, over which space.
        search_dir: folder of the search. Workers name the folder of their chief.
        tuner: "bayesian", "hyperband", "random" or "grid".
        objective: name of a figure that `fit` logs for the validation images. More is
            better, unless its name holds "loss" or "error".
        max_trials: default 20; of a grid, all points; of Hyperband, its own number.
        max_hours: no trial begins after so many hours of this call.
        seeds_per_trial: trainings per trial, >= 1; the score is their mean.
        score_epochs: a training scores the mean of its last so many epochs; default a
            fifth of them, at least two.
        seed: of the draws.
        role: "chief" or "worker" of a distributed search; default: alone.
        oracle_address: host:port on which the chief listens. The port has no password:
            use loopback or a private network.
        worker_id: name of a worker, unique and the same after a restart.
        worker_patience: seconds after which the trial of a silent worker has failed.
        verbose: 0 says nothing.

    Returns:
        The result. Of a chief or a search alone, `search_dir` then holds report.html,
        report.md, trials.csv and best.json.

    Raises:
        ValueError: a bad argument, an objective that `fit` does not log, a folder of
            another search, an address that cannot be used, or a hyper-model that
            another process cannot be given.
        RuntimeError: the trial of one batch before the first trial raised an error.
    """
    check_guard()
    check_choice("tuner", tuner, TUNERS)
    if role is not None:
        check_choice("role", role, distributed.ROLES)
    check_counts(max_trials, seeds_per_trial, score_epochs, hyper_model.epochs)
    for name, value, unit in (
        ("max_hours", max_hours, "hours"),
        ("worker_patience", worker_patience, "seconds"),
    ):
        if value is not None:
            check_positive(name, value, unit, f"Leave {name} out for its default.")
    host, port = distributed.address(oracle_address)
    distributed.check_worker(worker_id)
    epochs = hyper_model.epochs
    plan = Plan(
        folder=Path(search_dir),
        space=hyper_model.space,
        objective=objective,
        epochs=epochs,
        seeds=seeds_per_trial,
        score_epochs=score_epochs or min(epochs, max(2, epochs // 5)),
        patience=max(3, -(-epochs // 3)),  # short schedules are high to the end
    )
    if max_trials is None and tuner in ("bayesian", "random"):
        max_trials = 20
    budget = _Budget(tuner, max_trials, max_hours, seed, worker_patience)
    content = pickled(hyper_model)
    if role == "worker":
        distributed.wait_for_chief(host, port, worker_patience)
        _follow(plan, hyper_model, budget, content, (worker_id, host, port), verbose)
        return read_result(plan, hyper_model)
    file = SearchFile(plan.folder)
    file.check(_identity(hyper_model, plan, budget))
    plan.folder.mkdir(parents=True, exist_ok=True)
    with locked(plan.folder / ".lock"), file.unless_refused():
        return _lead(plan, hyper_model, budget, content, role, (host, port), verbose)


def _lead(plan, hyper_model, budget, content, role, where, verbose) -> SearchResult:
    """Alone, or as the chief."""
    file = SearchFile(plan.folder)
    known = file.read()
    if known.get("finished") and known.get("max_trials") == budget.max_trials:
        return read_result(plan, hyper_model)
    oracle = _oracle(plan, hyper_model, budget, chief=role == "chief")
    if role == "chief":
        distributed.check_free(*where)
    logged = known.get("logged") or preflight(plan, content, hyper_model.num_classes)
    check_objective(plan.objective, logged)
    file.claim(_identity(hyper_model, plan, budget), logged)
    if (plan.folder / "oracle.json").exists():
        oracle.reload()
    progress = _progress(plan, oracle, verbose)
    if role == "chief":
        _serve(oracle, plan, content, progress, where)
    else:
        TrialTuner(oracle, plan, content, progress).search()
    left = any(trial.status == "RUNNING" for trial in oracle.trials.values())
    state = {"finished": not oracle.stopped and not left, "stopped": oracle.stopped}
    result = replace(read_result(plan, hyper_model), **state)
    write_report(result)  # first: a finished search has one
    file.update(**state, max_trials=budget.max_trials)
    return result


def _serve(oracle, plan: Plan, content: bytes, progress, where) -> None:
    """What a chief does: nothing, but for all."""

    def ended(trial_id: str) -> None:
        job = plan.job(trial_id, oracle.trials[trial_id].hyperparameters.values)
        progress.told(job, read_outcome(job.folder), oracle.trials[trial_id].message)

    with distributed.environment("chief", *where):
        tuner = TrialTuner(oracle, plan, content, progress)
        with distributed.housekeeping(oracle, ended):
            tuner.search()


def _follow(plan, hyper_model, budget, content, place, verbose) -> None:
    """What a worker does."""
    worker_id, _, _ = place
    file = SearchFile(plan.folder)
    if not file.read():
        raise ValueError(
            "`search_dir` must be the folder of the chief, on storage that both see. "
            f"Received: {plan.folder}, which holds no search.json."
        )
    file.check(_identity(hyper_model, plan, budget))
    with locked(plan.folder / f".lock-{worker_id}"):
        arguments = (plan, budget, content, place, verbose)
        distributed.supervise(_work, arguments, worker_id)


def _work(plan: Plan, budget: _Budget, content: bytes, place, verbose: int) -> None:
    """The process of a worker."""
    hyper_model = pickle.loads(content)  # what the supervisor pickled
    oracle = _oracle(plan, hyper_model, budget, chief=False)
    names = (plan.objective, plan.direction, plan.space.tuned)
    progress = SearchProgress(*names, trials=None, verbose=verbose)
    with distributed.environment(*place):
        TrialTuner(oracle, plan, content, progress).search()


def _oracle(plan: Plan, hyper_model, budget: _Budget, *, chief: bool):
    hours = budget.max_hours
    oracle = make_oracle(
        budget.tuner,
        plan.space,
        hyper_model.num_classes,
        epochs=plan.epochs,
        objective=keras_tuner.Objective(plan.objective, plan.direction),
        max_trials=budget.max_trials,
        seed=budget.seed + 1,  # keras-tuner takes 0 for "draw one"
        deadline=None if hours is None else time.monotonic() + 3600 * hours,
        patience=budget.patience if chief else None,
    )
    folder = plan.folder.resolve()
    oracle._set_project_dir(folder.parent, folder.name)
    return oracle


def _progress(plan: Plan, oracle, verbose: int) -> SearchProgress:
    scores = [t.score for t in oracle.trials.values() if t.status == "COMPLETED"]
    best = max if plan.direction == "max" else min
    return SearchProgress(
        plan.objective,
        plan.direction,
        plan.space.tuned,
        trials=oracle.max_trials,
        done=len(oracle.end_order),
        best=best(scores, default=None),
        verbose=verbose,
    )


def _identity(hyper_model, plan: Plan, budget: _Budget) -> dict[str, Any]:
    return hyper_model.identity() | {
        "tuner": budget.tuner,
        "objective": plan.objective,
        "seeds_per_trial": plan.seeds,
        "score_epochs": plan.score_epochs,
        "seed": budget.seed,
    }
