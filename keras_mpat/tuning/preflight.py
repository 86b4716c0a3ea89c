"""What is checked before the first trial of a search, so that no hours are lost."""

from keras_mpat.choices import check_choice
from keras_mpat.configurable import check_count
from keras_mpat.tuning.plan import Plan
from keras_mpat.tuning.process import output_of, run_apart


def check_counts(max_trials, seeds_per_trial, score_epochs, epochs: int) -> None:
    """Raises unless the counts of a search are whole numbers >= 1 that fit together."""
    if max_trials is not None:
        check_count("max_trials", max_trials, "Pass for example 20.")
    check_count("seeds_per_trial", seeds_per_trial, "Pass 1, or 3 to see the spread.")
    if score_epochs is not None:
        check_count("score_epochs", score_epochs, "Pass 1 for the last epoch alone.")
        if score_epochs > epochs:
            raise ValueError(
                "`score_epochs` must be at most the epochs of a trial. Received: "
                f"score_epochs={score_epochs}, epochs={epochs}. Pass fewer."
            )


def preflight(plan: Plan, content: bytes, num_classes: int) -> list[str]:
    """Trains one batch, so that a mistake shows before hours have passed.

    Returns:
        Names of what `fit` logs.
    """
    job = plan.preflight(num_classes)
    outcome = run_apart(content, job, told=lambda *_: None, tick=lambda: True)
    if outcome.status != "completed":
        raise RuntimeError(
            "The first batch could not be trained: "
            f"{outcome.reason}.\n{outcome.traceback or output_of(job.folder)}"
        )
    return outcome.logged


def check_objective(objective: str, logged: list[str]) -> None:
    """Raises unless `fit` logs the objective for the validation images."""
    names = [name for name in logged if name.startswith("val_")]
    check_choice("objective", objective, names)
