"""The whole state of a training in a folder: a run that is killed goes on as it was.

    stopping = keras.callbacks.EarlyStopping("val_robust_accuracy", patience=5)
    state = FullState("runs/a", of=[stopping])
    train = keras_mpat.datasets.load("mnist", "train", epoch=state.epoch)
    model.fit(train, epochs=30, callbacks=[stopping, state])

`kept_states.py` has the files, `callback_state.py` what other callbacks have learned.
"""

import contextlib
import itertools
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_mpat import locks
from keras_mpat.callbacks import callback_state
from keras_mpat.callbacks.kept_states import KeptStates
from keras_mpat.configurable import check_count

_HELD: dict[Path, contextlib.ExitStack] = {}  # folders that this process has locked


class FullState(keras.callbacks.Callback):
    """Keeps a training after each epoch, and restores it when `fit` begins.

    The same script, started again, continues after the last whole epoch, and ends with
    the weights of a run that was never interrupted, bit for bit on a CPU. That needs
    data whose order is a function of the epoch: arrays with `shuffle=False`, or
    `datasets.load(..., epoch=state.epoch)`.

    A state that is damaged is passed over for the one before, with a warning. SIGTERM
    ends the process after the current batch; a second process on the same folder is
    refused; weights that are no numbers are never kept, and end training.

    Put it last in `callbacks`, so that it sees what the others have done.

    Args:
        folder: of the states; made if it is not there.
        of: other callbacks of the same `fit` whose state is kept, too: how long
            `EarlyStopping` has waited, what `PrototypeMerging` has merged.
        keep: how many states stay, >= 1. Default 2.

    Attributes:
        epoch: epochs in the newest whole state; 0: there is none.

    Raises:
        ValueError: a count below 1, `of` that is no list of callbacks; before training
            starts, a state of another model, or a folder in use.
        FloatingPointError: weights that are no numbers after an epoch.
    """

    def __init__(self, folder, of: Sequence = (), *, keep: int = 2):
        super().__init__()
        check_count("keep", keep, "2 survives one damaged file.")
        if not isinstance(of, (list, tuple)) or not all(
            isinstance(each, keras.callbacks.Callback) for each in of
        ):
            raise ValueError(
                "`of` must be a list of callbacks. Received: "
                f"of={of!r}. Pass [stopping, merging]."
            )
        self.folder = Path(folder)
        self.of = list(of)
        self._states = KeptStates(self.folder, keep)
        self._terminated = False
        self._handler: Any = None

    @property
    def epoch(self) -> int:
        found = self._states.newest()
        return 0 if found is None else found["epoch"]

    def on_train_begin(self, logs=None):
        strangers = [c for c in self.of if c.model is not self.model]
        if strangers:
            raise ValueError(
                "`of` must hold callbacks of the same `fit`. Received: "
                f"{type(strangers[0]).__name__}, which is not among its callbacks. "
                "Pass callbacks=[*others, state]."
            )
        self.folder.mkdir(parents=True, exist_ok=True)
        self._hold()
        self._before = [callback_state.captured(each) for each in self.of]
        self._history: dict[str, list[float]] = {}
        self._begun, self._past = False, 0
        found = self._states.newest()
        if found is not None:
            self._restore(found)
        self._listen()

    def on_epoch_begin(self, epoch, logs=None):
        if not self._begun:
            self._tell_history()
        self._begun = True

    def on_train_batch_end(self, batch, logs=None):
        self._end_if_asked()

    def on_test_batch_end(self, batch, logs=None):
        self._end_if_asked()

    def on_epoch_end(self, epoch, logs=None):
        self._refuse_no_numbers(epoch + 1)
        for name, value in (logs or {}).items():
            self._history.setdefault(name, []).append(float(value))
        self._save(epoch + 1)
        self._past = epoch + 1
        self._end_if_asked()

    def on_train_end(self, logs=None):
        if not self._begun:  # everything was done before
            self._tell_history()
        self._release()

    def _restore(self, found: dict[str, Any]) -> None:
        own = _shapes(self.model)
        if found["weights"] != own:
            pairs = itertools.zip_longest(found["weights"], own)
            old, new = next(pair for pair in pairs if pair[0] != pair[1])
            raise ValueError(
                "`folder` must hold states of this model. Received: "
                f"folder={os.fspath(self.folder)!r}, with a weight {old} where the "
                f"model has {new}. Build it as before, or pass another folder."
            )
        if len(found["callbacks"]) != len(self.of):
            raise ValueError(
                "`of` must name the callbacks of before. Received: "
                f"{len(self.of)} callbacks where the state has "
                f"{len(found['callbacks'])}. Pass the same, or another folder."
            )
        arrays = self._states.load(found["epoch"], self.model)
        for callback, state in zip(self.of, found["callbacks"], strict=True):
            callback_state.restore(callback, state, arrays)
        self._history, self._past = found["history"], found["epoch"]
        # As Keras' own BackupAndRestore has it.
        ended = found["stopped"]
        self.model._initial_epoch = self.params["epochs"] if ended else found["epoch"]

    def _tell_history(self) -> None:
        """Shows the epochs of before in what `fit` returns."""
        history = self.model.history
        history.history = {name: list(row) for name, row in self._history.items()}
        history.epoch = list(range(self._past))

    def _save(self, epoch: int) -> None:
        arrays: list[np.ndarray] = []
        states = [
            callback_state.changed(callback, before, arrays)
            for callback, before in zip(self.of, self._before, strict=True)
        ]
        content = {
            "stopped": bool(self.model.stop_training),
            "weights": _shapes(self.model),
            "history": self._history,
            "callbacks": states,
        }
        self._states.save(epoch, self.model, content, arrays)

    def _refuse_no_numbers(self, epoch: int) -> None:
        wrong = [
            weight.path
            for weight in self.model.weights
            if "float" in str(weight.dtype)
            and not bool(ops.all(ops.isfinite(weight.value)))
        ]
        if wrong:
            kept = f"the state after epoch {self._past}" if self._past else "nothing"
            self._release()
            raise FloatingPointError(
                f"Weights are no numbers after epoch {epoch}: {', '.join(wrong[:3])}. "
                f"{kept} is kept in {os.fspath(self.folder)}. Go on with a lower "
                "learning rate, or with global_clipnorm= in the optimizer."
            )

    def _hold(self) -> None:
        path = self.folder.resolve()
        if path not in _HELD:  # a `fit` that raised has left its lock
            stack = contextlib.ExitStack()
            stack.enter_context(locks.locked(self.folder / ".lock"))
            _HELD[path] = stack

    def _listen(self) -> None:
        self._terminated = False
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGTERM, self._terminate)

    def _terminate(self, *_) -> None:
        self._terminated = True

    def _end_if_asked(self) -> None:
        if self._terminated:
            self._release()
            sys.stderr.write(
                f"\nSIGTERM: stopped. {os.fspath(self.folder)} holds the state after "
                f"epoch {self._past}; the same command goes on.\n"
            )
            raise SystemExit(128 + signal.SIGTERM)

    def _release(self) -> None:
        if self._handler is not None:
            signal.signal(signal.SIGTERM, self._handler)
            self._handler = None
        stack = _HELD.pop(self.folder.resolve(), None)
        if stack is not None:
            stack.close()


def _shapes(model) -> list[list]:
    # Paths count up where a process builds several models; order and names do not.
    return [[weight.name, list(weight.shape)] for weight in model.weights]
