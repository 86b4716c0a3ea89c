"""The interface of an attack, and how a search remembers its worst case."""

import abc
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from keras_mpat import backend, noise
from keras_mpat.attacks.targets import TargetRule
from keras_mpat.configurable import Configurable, check_positive, numbers
from keras_mpat.input_checks import are_probabilities, check_inputs, check_labels
from keras_mpat.objectives import Margin, Objective, class_ids
from keras_mpat.threat_models import ThreatModel, check_threat_model

LogitsFn = Callable[[Any], Any]


class Attack(Configurable, abc.ABC):
    """A search for the worst input in a threat model. Holds no state.

    And no model: it is given one. `model_attack.py` has the base of the exceptions.

    A concrete attack is a frozen dataclass: it declares `threat_model: ThreatModel` and
    its other fields, and implements `search`. One that restarts, or aims at one class
    after the other, also says how many `runs` it has and what one `run` is: evaluation
    then drops what a run has fooled from the next.

    Call arguments:
        logits_fn: maps x (B, ...) float32 to logits (B, C).
        x: clean inputs (B, ...), in the bounds of the threat model.
        targets: true labels, (B,), (B, 1) or one-hot (B, C).
        seed: int, `keras.random.SeedGenerator`, or keys (B, 2) from `noise.keys`.

    Returns:
        x_adv, float32 like x, inside the ball and the box, without gradient.
    """

    threat_model: ThreatModel
    sees_model = True  # its gradients or queries are those of the model under attack
    near = 1.0  # evaluation spares examples with more of their margin left: `NearMiss`

    def __call__(self, logits_fn: LogitsFn, x, targets, seed=0):
        x, keys = self.prepare(logits_fn, x, targets, seed)
        return ops.stop_gradient(self.search(logits_fn, x, targets, keys))

    def prepare(self, logits_fn: LogitsFn, x, targets, seed):
        """(x as float32, keys (B, 2)); raises if the inputs do not fit."""
        x = ops.cast(x, "float32")
        if backend.is_eager(x):
            check_inputs(ops.convert_to_numpy(x), self.threat_model)
            logits = logits_fn(x)
            check_logits(logits)
            labels = ops.convert_to_numpy(targets)
            check_labels(labels, logits.shape[-1], len(x))
            self.check(tuple(x.shape[1:]), logits.shape[-1])
        elif None not in x.shape[1:]:
            self.threat_model.check_example(tuple(x.shape[1:]))
        return x, noise.keys(seed, ops.shape(x)[0])

    def check(self, example_shape: tuple, num_classes: int) -> None:
        """Raises, before an evaluation, if it cannot attack classifiers like this."""

    def title(self, num_classes: int) -> str:
        """Its name in tables of models with so many classes; users may give another."""
        return type(self).__name__

    def stages(self, num_classes: int) -> dict[str, "Attack"]:
        """The attacks, by name, that evaluation runs one after the other instead.

        Each from the clean image, on the examples that those before have not fooled.
        """
        return {type(self).__name__: self}

    @property
    def passes(self) -> int:
        """Forward and backward passes of a run, roughly: for the progress bar."""
        return 1

    @abc.abstractmethod
    def search(self, logits_fn: LogitsFn, x, targets, keys):
        """The attack itself: x float32 (B, ...), keys (B, 2) -> x_adv."""

    def runs(self, num_classes: int) -> int:
        """Number of independent runs; the worst one counts for each example."""
        return 1

    def run(self, logits_fn, x, targets, keys, number):
        """One run alone: as `search`; `number` is an int or a scalar tensor."""
        return self.search(logits_fn, x, targets, keys)

    def scaled(self, factor) -> "Attack":
        """The same attack with epsilon and step size times `factor` (a schedule)."""
        return dataclasses.replace(  # type: ignore[type-var]
            self, threat_model=self.threat_model.scaled(factor)
        )


def check_logits(logits) -> None:
    """Raises if the rows (B, C) are probabilities: non-negative and of sum 1."""
    if not backend.is_eager(logits):  # JAX traces branches on inputs that have values
        return
    rows = ops.convert_to_numpy(logits)
    if are_probabilities(rows):
        raise ValueError(
            "`logits_fn` must return logits. Received: rows that are probabilities; "
            "a saturated softmax has zero gradients and looks robust. Pass "
            "keras_mpat.models.as_logits(classifier), or a model without softmax."
        )


@dataclass(frozen=True, eq=False)
class GradientAttack(Attack):
    """Base of attacks that step along a gradient.

    `step_size` is in the units of epsilon (input units, or "2/255" of the range);
    `None` means the attack's own default, which follows epsilon.
    """

    threat_model: ThreatModel
    _: dataclasses.KW_ONLY
    step_size: Any = None

    def __post_init__(self):
        check_threat_model(self.threat_model)
        for field in dataclasses.fields(self):
            if field.name in _RULES:
                check_rule(field.name, getattr(self, field.name))
        if self.step_size is not None and not self._is_point():
            check_positive(
                "step_size",
                self.threat_model.length(self.step_size, "step_size"),
                "input units, full range of the bounds",
                "For 2 grey levels pass '2/255'; None follows epsilon.",
            )

    def _is_point(self) -> bool:
        """Whether the ball of epsilon 0 is given its own default step, which is 0."""
        radius = self.threat_model.radius
        if ops.is_tensor(radius) or np.any(np.asarray(radius) > 0):
            return False
        step = numbers(self.threat_model.length(self.step_size, "step_size"))
        return bool(np.all(step == 0))

    @property
    def step_length(self):
        """The step in input units: a float, an array or a tensor."""
        if self.step_size is None:
            return self.default_step_length()
        return self.threat_model.length(self.step_size, "step_size")

    @abc.abstractmethod
    def default_step_length(self):
        """The step in input units when `step_size` is None."""

    def scaled(self, factor):
        scaled = super().scaled(factor)
        if self.step_size is None:
            return scaled
        return dataclasses.replace(scaled, step_size=self.step_length * factor)


_RULES = {
    "objective": (Objective, "objectives.CrossEntropy() or objectives.Margin()"),
    "target": (TargetRule, "attacks.LeastLikely(), or None for an untargeted attack"),
}


def check_rule(name: str, value) -> None:
    """Raises unless `value` is what the argument `name` holds: `_RULES`."""
    kind, examples = _RULES[name]
    if not isinstance(value, kind) and not (name == "target" and value is None):
        raise ValueError(
            f"`{name}` must be a keras_mpat {kind.__name__} instance. Received: "
            f"{name}={value!r}. Pass {examples}."
        )


class Goal:
    """What a search raises, for one batch: x -> (values (B,), logits (B, C)).

    Binds the model, the labels and, for a targeted attack, the target classes.
    """

    def __init__(self, logits_fn, x, labels, keys, objective: Objective, target=None):
        self._logits_fn, self._labels, self._objective = logits_fn, labels, objective
        self._targets = None
        if target is not None:
            logits = logits_fn(x)
            ids = class_ids(labels, logits.shape[-1])
            self._targets = ops.stop_gradient(target(ids, logits, keys))

    def __call__(self, x):
        logits = ops.cast(self._logits_fn(x), "float32")
        if self._targets is None:
            return self._objective(self._labels, logits), logits
        return self._objective.targeted(self._targets, logits), logits

    def fooled(self, logits):
        """Which examples are misclassified, bool (B,)."""
        return self._objective.fooled(self._labels, logits)

    def lead(self, logits):
        """By how much the best wrong class leads, (B,); undefined logits: infinity."""
        lead = Margin(kappa=None)(self._labels, logits)
        return ops.where(ops.isnan(lead), float("inf"), lead)

    def score(self, x_adv):
        """(x_adv, values, fooled): what `keep_worse` compares."""
        values, logits = self(x_adv)
        return x_adv, values, self.fooled(logits)


def worst_of(runs: int, run: Callable, goal: Goal):
    """Runs `run(r)` -> x_adv for r = 0 … runs - 1; keeps the worst case per example.

    A fooled example beats one that is not; between equals the higher value wins.
    """
    if runs == 1:
        return run(0)

    def step(r, worst):
        return keep_worse(worst, goal.score(run(r + 1)))

    return backend.loop(runs - 1, step, goal.score(run(0)))[0]


def keep_worse(first, second):
    """The worse of two (x_adv, values, fooled) per example."""
    _, value, fooled = first
    _, new_value, new_fooled = second
    same = fooled == new_fooled
    better = ops.logical_or(
        ops.logical_and(new_fooled, ops.logical_not(fooled)),
        ops.logical_and(same, new_value > value),
    )
    return tuple(
        ops.where(per_example(better, new), new, old)
        for old, new in zip(first, second, strict=True)
    )


def per_example(flags, x):
    """Flags (B,) shaped to broadcast against x (B, ...)."""
    return ops.reshape(flags, (-1,) + (1,) * (len(x.shape) - 1))
