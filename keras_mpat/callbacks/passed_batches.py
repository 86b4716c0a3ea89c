"""Batches that a training has seen before it was interrupted: taken, not trained on."""

from typing import Any


def pass_over(model, count: int, logs: dict[str, Any]) -> None:
    """The next `count` batches of `fit` leave the model as it is.

    They are taken from the data all the same, so that a stream is where it was; what
    that costs is the pipeline alone.

    Args:
        model: within `fit`, before an epoch.
        count: a multiple of `steps_per_execution`.
        logs: what callbacks are told meanwhile.

    Raises:
        ValueError: no such multiple.
    """
    together = model.steps_per_execution
    if count % together:
        raise ValueError(
            "`steps_per_execution` must divide the batches that are done. Received: "
            f"steps_per_execution={together} after {count} batches. Compile the model "
            "as before."
        )
    train, left = model.train_function, count

    def passing(*arguments):
        nonlocal left
        *state, iterator = arguments  # JAX hands on the state of the model
        next(iterator)  # at the end of the data, Keras ends the epoch
        for _ in range(together - 1):
            next(iterator, None)
        left -= together
        if not left:
            model.train_function = train
        return (logs, *state) if state else logs

    model.train_function = passing
