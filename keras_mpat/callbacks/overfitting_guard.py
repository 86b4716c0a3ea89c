"""A guard against catastrophic overfitting.

Training on one gradient step can suddenly learn to resist that step alone: accuracy
under FGSM stays high or rises while accuracy under PGD falls to nothing, within an
epoch or two, and the training logs look better than before (Wong et al.,
arXiv:2001.03994). The guard sees it on a batch that is held out from training.

    x, y, _ = keras_mpat.datasets.arrays("mnist", "validation")
    guard = CatastrophicOverfittingGuard(x[:256], y[:256], action="roll_back")
    model.fit(train, epochs=30, callbacks=[guard])
"""

import warnings
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_mpat.attacks import PGD, Attack
from keras_mpat.callbacks.probe import Check, Probe
from keras_mpat.callbacks.snapshot import Snapshot
from keras_mpat.callbacks.training_state import build_optimizer
from keras_mpat.configurable import check_count
from keras_mpat.input_checks import check_inputs, check_labels
from keras_mpat.models.adversarial_model import AdversarialModel

_ANSWERS = {
    "warn": "Training goes on.",
    "stop": "Training stops.",
    "roll_back": "Weights and optimizer are put back to {good}, and training stops.",
}


class CatastrophicOverfittingGuard(keras.callbacks.Callback):
    """Attacks a held-out batch between updates; answers when robustness collapses.

    Before training, at the end of each epoch and, if asked, every few batches, the
    probe is attacked with BatchNorm on its averages and with the same noise each time.
    It is an event when robust accuracy lies more than `drop` below the best check of
    this `fit`. Checks change no variable and draw no random number of the training: a
    training without event is bit for bit the one without guard.

    An event warns, once, with its figures. `"stop"` also ends training. `"roll_back"`
    puts weights, BatchNorm averages, optimizer and random states back to the last check
    that was no event, and ends training, as Wong et al. do: with the same strategy the
    next epochs would overfit again. Go on with a smaller step or with `PGDTraining` in
    a new `AdversarialModel` of the same classifier.

    Each `fit` begins anew: its first check, of the weights it starts or goes on from,
    is the first value to compare with. So nothing has to be saved with the model, and a
    resumed run is guarded from where it resumes.

    Args:
        x: the probe (N, ...), float, in the bounds of the attack; some hundred inputs
            that are not trained on. N = 128 has a standard error of up to 4 points.
        y: its labels (N,), (N, 1) or one-hot (N, C).
        attack: the attack of the checks; `None` is PGD with 10 steps of epsilon / 4 in
            the threat model of the strategy.
        action: `"warn"`, `"stop"` or `"roll_back"`.
        drop: share of the probe in (0, 1); 0.2 as in Wong et al., who compare with the
            epoch before.
        every: batches between checks inside an epoch, >= 1; `None`: none there.
        seed: seed of the attack's noise.

    Logs: `probe_robust_accuracy`, and `probe_fgsm_accuracy` under one step of epsilon,
    at the end of each epoch, before a roll-back; seen by callbacks further down the
    list. Put the guard in front of `ModelCheckpoint`.

    Attributes:
        checks: every `Check` of the last `fit`, in order.
        events: those at which robustness collapsed.

    Raises:
        ValueError: an argument of the wrong kind or out of range, or, before training
            starts, a probe that does not fit the model.

    References:
        Wong et al., arXiv:2001.03994; their code attacks a training batch with
        BatchNorm in training mode, which moves its averages.
    """

    def __init__(
        self,
        x,
        y,
        *,
        attack: Attack | None = None,
        action: str = "warn",
        drop: float = 0.2,
        every: int | None = None,
        seed: int = 0,
    ):
        super().__init__()
        _check_arguments(attack, action, drop, every, seed)
        self.x, self.y = _array(x), _array(y)
        if self.x.ndim < 2 or self.y.ndim < 1 or len(self.x) != len(self.y):
            raise ValueError(
                "`x` and `y` must be a probe of N inputs (N, ...) and N labels. "
                f"Received: shapes {self.x.shape} and {self.y.shape}. Pass both from "
                "one held-out set."
            )
        if not len(self.x):
            raise ValueError(
                "`x` must hold at least one input. Received: 0. Pass some hundred."
            )
        self.attack = attack
        self.action = action
        self.drop = drop
        self.every = every
        self.seed = seed
        self.checks: list[Check] = []
        self.events: list[Check] = []
        self._probe: Any = None

    def set_model(self, model):
        """Compiles the probe for a model that it has not seen; raises if it cannot."""
        if self._probe is None or model is not self._model:
            self._probe = self._probe_of(model)
        super().set_model(model)

    def on_train_begin(self, logs=None):
        self.checks, self.events = [], []
        self._good = self._good_check = None
        self._fallen = False
        build_optimizer(self.model)  # a roll-back puts its slots back, too

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch, self._checked = epoch + 1, 0
        if not self.checks:  # by now, FullState has restored what it has
            self._check(epoch, None)

    def on_train_batch_end(self, batch, logs=None):
        due = 0 if self.every is None else (batch + 1) // self.every
        if due > self._checked:  # `batch` jumps under steps_per_execution
            self._checked = due
            self._check(self._epoch, batch + 1)

    def on_epoch_end(self, epoch, logs=None):
        check = self._check(epoch + 1, None)
        if logs is not None:
            logs["probe_robust_accuracy"] = check.robust
            logs["probe_fgsm_accuracy"] = check.one_step

    def _check(self, epoch: int, batch: int | None) -> Check:
        model = self.model  # on JAX this brings the weights up to date
        check = Check(epoch, batch, *self._probe())
        self.checks.append(check)
        best = max(self.checks, key=lambda past: past.robust)
        fallen = best.robust - check.robust > self.drop + 1e-6
        if fallen and not self._fallen:
            self.events.append(check)
            self._answer(model, best, check)
        elif not fallen and self.action == "roll_back":
            self._good, self._good_check = Snapshot(model), check
        self._fallen = fallen
        return check

    def _answer(self, model, best: Check, now: Check) -> None:
        answer = _ANSWERS[self.action]
        if self.action != "warn":
            model.stop_training = True
        if self.action == "roll_back":
            self._good.restore()
            answer = answer.format(good=self._good_check.moment)
        only_one_step = now.one_step - now.robust > self.drop
        name = "Catastrophic overfitting" if only_one_step else "Loss of robustness"
        warnings.warn(
            f"{name} ({now.moment}): on the probe, accuracy under "
            f"{type(self._attack).__name__} fell from {_percent(best.robust)} "
            f"({best.moment}) to {_percent(now.robust)}; it is "
            f"{_percent(now.one_step)} under one step of FGSM and "
            f"{_percent(now.clean)} without attack. {answer} Train with a smaller "
            "`step_size`, fewer epochs, or training.PGDTraining.",
            stacklevel=2,
        )

    def _probe_of(self, model) -> Probe:
        if not isinstance(model, AdversarialModel):
            raise ValueError(
                "`CatastrophicOverfittingGuard` must be a callback of an "
                f"AdversarialModel. Received: a {type(model).__name__}. Wrap it: "
                "AdversarialModel(classifier, strategy=...)."
            )
        threat_model = model.strategy.threat_model
        if self.attack is None and threat_model is None:
            raise ValueError(
                "`attack` must be given where the strategy has no threat model. "
                f"Received: attack=None, strategy={model.strategy!r}. Pass "
                "attacks.PGD(keras_mpat.Linf(...))."
            )
        self._attack = self.attack or PGD(threat_model)
        if self.x.shape[1:] != tuple(model.example_shape):
            raise ValueError(
                f"`x` must be a probe of inputs (N, ...) like the model's "
                f"{tuple(model.example_shape)}. Received: shape {self.x.shape}."
            )
        check_inputs(self.x, self._attack.threat_model)
        check_labels(self.y, model.num_classes)
        return Probe(
            model.predictor,
            self.x,
            self.y,
            attack=self._attack,
            num_classes=model.num_classes,
            seed=self.seed,
        )


def _check_arguments(attack, action, drop, every, seed) -> None:
    if attack is not None and not isinstance(attack, Attack):
        raise ValueError(
            f"`attack` must be an attack or None. Received: attack={attack!r}. Pass an "
            "instance such as attacks.PGD(keras_mpat.Linf(0.3))."
        )
    if action not in _ANSWERS:
        raise ValueError(
            f"`action` must be one of {tuple(_ANSWERS)}. Received: action={action!r}."
        )
    if isinstance(drop, bool) or not isinstance(drop, float) or not 0 < drop < 1:
        raise ValueError(
            "`drop` must lie between 0 and 1 (share of the probe). Received: "
            f"drop={drop!r}. For 20 points pass 0.2."
        )
    if every is not None:
        check_count("every", every, "None checks at the end of epochs only.")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise ValueError(
            f"`seed` must be an integer >= 0. Received: seed={seed!r}. Pass seed=0."
        )


def _array(data) -> np.ndarray:
    return np.array(ops.convert_to_numpy(data) if ops.is_tensor(data) else data)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
