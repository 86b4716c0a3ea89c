"""A trial in a process of its own: trains each seed, and says what came of it.

Memory goes back to the system when the process ends, and a crash ends one trial only.
"""

import os
import pickle
import signal
import sys
import threading
import time
import traceback
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_mpat.locks import locked
from keras_mpat.memory import keep_memory
from keras_mpat.tuning.job import Job, Outcome, read_outcome
from keras_mpat.tuning.kept_epochs import Collapse, KeptEpochs

_WATCH = 0.5  # seconds between two looks at the process that began this one


def main(pickled: bytes, job: Job, connection, parent: int) -> None:
    """What the process runs; the outcome is in outcome.json.

    Args:
        pickled: the hyper-model.
        job: what to do.
        connection: gets (seed, epochs done, figures) after each epoch.
        parent: number of the process that waits for this one.
    """
    keep_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    # Parent, trial and other workers may share an accelerator.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    threading.Thread(target=die_with, args=(parent,), daemon=True).start()
    folder = Path(job.folder)
    with locked(folder / ".lock", wait=20 * _WATCH):
        if read_outcome(folder) is None or job.preflight:
            _attempt(pickled, job, connection).save(folder)


def _attempt(pickled: bytes, job: Job, connection) -> Outcome:
    try:
        hyper_model = pickle.loads(pickled)  # what the parent pickled a moment ago
        if job.preflight:
            return preflight(hyper_model, job)
        return run(hyper_model, job, partial(_send, connection))
    except Exception as error:
        text = traceback.format_exc()
        print(text, file=sys.stderr)
        reason = f"{type(error).__name__}: {error}".splitlines()
        return Outcome("failed", reason=reason[0], traceback=text)


def _send(connection, message) -> None:
    """Tells the parent; without one, this process ends and leaves no outcome."""
    try:
        connection.send(message)
    except OSError:
        os._exit(1)


def run(hyper_model, job: Job, tell) -> Outcome:
    """Trains every seed, from where it was left.

    Args:
        hyper_model: a `SearchableHyperModel`.
        job: what to do.
        tell: called with (seed, epochs done, figures) after each epoch.
    """
    kept_seeds: list[KeptEpochs] = []
    majority = hyper_model.majority
    for seed in range(job.seeds):
        past = None if job.past is None else Path(job.past) / f"seed_{seed}"

        def told(done, row, seed=seed):
            tell((seed, done, row))

        kept = KeptEpochs(Path(job.folder) / f"seed_{seed}", past, told)
        guard = Collapse(kept, majority, job.patience)
        _train(hyper_model, job, seed, kept, guard)
        kept_seeds.append(kept)
        reason = guard.why(len(kept.rows))
        if reason:
            reason = f"seed {seed}: {reason}" if job.seeds > 1 else reason
            return Outcome("failed", reason=reason, **_figures(kept_seeds, job))
    return Outcome("completed", **_scores(kept_seeds, job), **_figures(kept_seeds, job))


def preflight(hyper_model, job: Job) -> Outcome:
    """One batch of training and validation: what `fit` logs, or the error it raises."""
    model = hyper_model.model(job.values, seed=0)
    x, y = hyper_model.validation
    images, labels = next(iter(hyper_model.stream(job.values, seed=0, epoch=0)))[:2]
    history = model.fit(
        np.asarray(images),
        np.asarray(labels),
        batch_size=len(images),
        validation_data=(x[:2], y[:2]),
        verbose=0,
    )
    return Outcome("completed", logged=sorted(history.history))


def _train(hyper_model, job: Job, seed: int, kept: KeptEpochs, guard: Collapse) -> None:
    model = hyper_model.model(job.values, seed=seed)
    done = kept.restore(model)
    if done >= job.epochs or (done and guard.why(done)):
        return
    x, y = hyper_model.validation
    model.fit(
        hyper_model.stream(job.values, seed=seed, epoch=done),
        validation_data=(x, y),
        validation_batch_size=min(len(x), 128),
        initial_epoch=done,
        epochs=job.epochs,
        callbacks=[
            *hyper_model.callbacks(job.values),
            kept,
            guard,
            *_boards(job, seed),
        ],
        shuffle=False,  # the stream shuffles itself
        verbose=0,
    )


def _boards(job: Job, seed: int) -> list[keras.callbacks.Callback]:
    """TensorBoard's scalars and HParams, on its own backend."""
    if job.board is None or keras.backend.backend() != "tensorflow":
        return []
    from tensorboard.plugins.hparams import api

    name = f"{job.trial_id}/seed_{seed}"
    folder = os.path.join(job.board, name)
    shown = {
        key: value if isinstance(value, (int, float, str)) else str(value)
        for key, value in job.values.items()
        if value is not None
    }
    return [
        keras.callbacks.TensorBoard(folder, write_graph=False),
        api.KerasCallback(folder, shown, trial_id=name),
    ]


def _scores(kept: list[KeptEpochs], job: Job) -> dict[str, Any]:
    """Means over the last epochs, then over the seeds."""
    means = [
        {
            name: float(np.mean(values[-job.score_epochs :]))
            for name, values in each.history.items()
        }
        for each in kept
    ]
    scores = [mean[job.objective] for mean in means]
    names = [name for name in means[0] if name.startswith("val_")]
    metrics = {name: float(np.mean([mean[name] for mean in means])) for name in names}
    return {"score": float(np.mean(scores)), "scores": scores, "metrics": metrics}


def _figures(kept: list[KeptEpochs], job: Job) -> dict[str, Any]:
    return {
        "epochs": max(len(each.rows) for each in kept),
        "seconds": round(sum(each.seconds for each in kept), 2),
        "history": [each.history for each in kept],
    }


def die_with(parent: int) -> None:
    """Ends this process when the one that began it is gone, however it went."""
    while os.getppid() == parent:
        time.sleep(_WATCH)
    os._exit(1)
