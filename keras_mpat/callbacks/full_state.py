"""The whole state of a training in a folder: a run that is killed goes on as it was.

    stopping = keras.callbacks.EarlyStopping("val_robust_accuracy", patience=5)
    state = FullState("runs/a", of=[stopping])
    train = keras_mpat.datasets.load("mnist", "train", epoch=state.epoch)
    model.fit(train, epochs=30, callbacks=[stopping, state])

`kept_states.py` has the files, `training_state.py` their content, `passed_batches.py`
the way back into an epoch, `termination.py` SIGTERM, `company.py` other callbacks.
"""

import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_mpat import backend, locks, replicas
from keras_mpat.callbacks import callback_state, company, training_state
from keras_mpat.callbacks.kept_states import KeptStates, Position
from keras_mpat.callbacks.passed_batches import pass_over
from keras_mpat.callbacks.termination import CODE, Termination
from keras_mpat.configurable import check_count


class FullState(keras.callbacks.Callback):
    """Keeps a training after each epoch, and restores it when `fit` begins.

    The same script, started again, goes on after the last state and ends with the
    weights and the history of a run that was never interrupted, bit for bit on a CPU.
    That needs data whose order is a function of the epoch: arrays, or
    `datasets.load(..., epoch=state.epoch)`. Within an epoch, `fit` takes the batches
    that are done from the data and passes over them.

    A state that is damaged is passed over for the one before, with a warning. SIGTERM
    ends the process after the current batch, which is kept; a second process on the
    same folder is refused; weights that are no numbers end training, and are not kept.

    It stands last in `callbacks` of an `AdversarialModel` or a pretraining, so that it
    sees what the others have done. A `fit` that goes on with another constant learning
    rate, strategy or number of batches says so and uses the new one. Where several
    workers train together, all of them read the folder and the chief writes it; a
    worker that SIGTERM ends keeps nothing of its own.

    Args:
        folder: of the states; made if it is not there.
        of: other callbacks of the same `fit` whose state is kept, too: how long
            `EarlyStopping` has waited, what `PrototypeMerging` has merged.
        keep: how many states stay, >= 1. Default 2.
        every: batches after which a state is kept within an epoch, too, >= 1. Default
            None: only when the epoch ends, or SIGTERM comes.

    Attributes:
        epoch: whole epochs in the newest whole state; 0: there is none.

    Raises:
        ValueError: a count below 1, `of` that is no list of callbacks; before training
            starts, callbacks behind this one, a state of another model, optimizer or
            `of`, within an epoch of other data, or a folder in use.
        FloatingPointError: weights that are no numbers when they are to be kept.
    """

    def __init__(
        self, folder, of: Sequence = (), *, keep: int = 2, every: int | None = None
    ):
        super().__init__()
        check_count("keep", keep, "2 survives one damaged file.")
        if every is not None:
            check_count("every", every, "1000 keeps a state each thousand batches.")
        company.check_of(of)
        self.folder = Path(folder)
        self.of = list(of)
        self.every = every
        self._states = KeptStates(self.folder, keep)
        self._termination = Termination()

    @property
    def epoch(self) -> int:
        found = self._states.newest()
        return 0 if found is None else found[0].epoch

    def on_train_begin(self, logs=None):
        company.check_same_fit(self.of, self.model)
        self._alone = not replicas.several_workers(self.model)
        self._writes = replicas.is_chief(self.model)
        if self._writes:
            self.folder.mkdir(parents=True, exist_ok=True)
            locks.hold(self.folder / ".lock")
        self._before = [callback_state.captured(each) for each in self.of]
        self._given = training_state.given(self.model)
        self._history: dict[str, list[float]] = {}
        self._begun = False
        self._at = self._kept = Position(0)
        self._passing: dict[str, Any] | None = None  # the state behind passed batches
        found = self._states.newest()
        if found is not None:
            self._go_on(*found)
        self._termination.listen()

    def on_epoch_begin(self, epoch, logs=None):
        if not self._begun:
            self._tell_history()
        self._begun = True
        self._at = Position(epoch)

    def on_train_batch_end(self, batch, logs=None):
        self._at = Position(self._at.epoch, batch + 1)
        if self._passing is not None:
            if self._at >= self._kept:
                self._restore(self._passing)
                self._passing = None
        elif self._termination.asked and self._alone or self._is_due():
            self._save(logs)
        self._end_if_asked()

    def on_test_begin(self, logs=None):
        if not self._alone:
            return
        # Validation changes these: what the epoch has counted, and noise.
        changing = [*self.model.non_trainable_variables, *self.model.metrics_variables]
        self._trained = [(each, backend.value(each)) for each in changing]

    def on_test_batch_end(self, batch, logs=None):
        if self._termination.asked and self._alone and self._passing is None:
            model = self.model  # on JAX, this brings its variables up to date
            for variable, value in self._trained:
                variable.assign(value)
            self._save(model.get_metrics_result())
        self._end_if_asked()

    def on_epoch_end(self, epoch, logs=None):
        self._refuse_shorter_data()
        for name, value in (logs or {}).items():
            self._history.setdefault(name, []).append(_plain(value))
        self._at = Position(epoch + 1)
        self._save(logs)
        self._end_if_asked()

    def on_train_end(self, logs=None):
        if not self._begun:  # everything was done before
            self._tell_history()
        self.fit_ends()

    def fit_begins(self, callbacks: Sequence) -> None:
        """Looks at the callbacks of a `fit`, which calls it before training.

        Raises:
            ValueError: some of them come after this one.
        """
        company.check(self, callbacks)

    def fit_ends(self) -> None:
        """Lets go of the folder and of SIGTERM; `fit` calls it, however it ends."""
        self._termination.release()
        locks.release(self.folder / ".lock")

    def _go_on(self, at: Position, found: dict[str, Any]) -> None:
        training_state.check(self.model, self.of, found, self.folder)
        steps = self.params.get("steps")
        other_data = None not in (steps, found["steps"]) and steps != found["steps"]
        if other_data and at.batch:
            raise ValueError(
                "`fit` must get the data of before. Received: "
                f"{steps} batches an epoch where the state after {at} has "
                f"{found['steps']}. Pass the same data in batches of the same size."
            )
        self._kept, self._at = at, Position(at.epoch)
        self._history = found["history"]
        told = self._restore(found)
        told += [f"{steps} batches an epoch in place of {found['steps']}"] * other_data
        if told:
            warnings.warn(f"After {at}, training has {'; '.join(told)}.", stacklevel=3)
        if at.batch:
            pass_over(self.model, at.batch, found["logs"])
            self._passing = found
        ended = found["stopped"] and not at.batch
        self.model._initial_epoch = self.params["epochs"] if ended else at.epoch

    def _restore(self, found: dict[str, Any]) -> list[str]:
        arrays = self._states.load(self._kept, self.model)
        same = training_state.restore(self.model, self.of, found, arrays)
        if not same and self._passing is not None:
            warnings.warn(
                f"Metrics have changed since {self._kept}: those of this epoch count "
                "the batches that follow.",
                stacklevel=2,
            )
        return training_state.settle(self.model, self._given, found["given"])

    def _tell_history(self) -> None:
        """Shows the epochs of before in what `fit` returns."""
        history = self.model.history
        history.history = {name: list(row) for name, row in self._history.items()}
        history.epoch = list(range(self._at.epoch))

    def _is_due(self) -> bool:
        if self.every is None:
            return False
        before = self._kept.batch if self._kept.epoch == self._at.epoch else 0
        return self._at.batch // self.every > before // self.every

    def _save(self, logs) -> None:
        wrong = training_state.not_finite(self.model)
        if wrong:
            raise FloatingPointError(
                f"Weights are no numbers after {self._at}: {', '.join(wrong[:3])}. "
                f"{self._what_is_kept()}. Go on with a lower learning rate, or with "
                "global_clipnorm= in the optimizer."
            )
        content, arrays = training_state.captured(self.model, self.of, self._before)
        content |= {
            "steps": self.params.get("steps"),
            "given": self._given,
            "history": self._history,
            "logs": {name: _plain(value) for name, value in (logs or {}).items()},
        }
        if self._writes:
            with replicas.by_itself():
                self._states.save(self._at, self.model, content, arrays)
        self._kept = self._at

    def _refuse_shorter_data(self) -> None:
        if self._passing is not None:
            raise ValueError(
                "`fit` must get the data of before. Received: "
                f"{self._at.batch} batches in epoch {self._at.epoch + 1}, where "
                f"{self._kept.batch} were done. Pass the same data in batches of the "
                "same size."
            )

    def _what_is_kept(self) -> str:
        kept = f"the state after {self._kept}" if any(self._kept) else "nothing"
        return f"{os.fspath(self.folder)} holds {kept}"

    def _end_if_asked(self) -> None:
        if self._termination.asked:
            sys.stderr.write(
                f"\nSIGTERM: stopped. {self._what_is_kept()}; the same command goes "
                "on.\n"
            )
            raise SystemExit(CODE)


def _plain(value):
    """A figure, or several, as JSON has them."""
    return np.asarray(value, "float64").tolist()
