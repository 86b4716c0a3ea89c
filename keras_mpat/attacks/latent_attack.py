"""LatentAttack: raises what the embedding and the head say, judged by the classifier.

attack = attacks.LatentAttack(
    ball, features=features, head=model.head, objective=attacks.TowardPrototype()
)

`evaluation.prototype_attacks` builds the usual ones for a model.
"""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import keras
from keras import ops

from keras_mpat import noise
from keras_mpat.attacks.apgd import APGD
from keras_mpat.attacks.attack import Goal, worst_of
from keras_mpat.attacks.latent_objectives import LatentObjective, View
from keras_mpat.attacks.model_attack import ModelAttack, check_model, rows_of
from keras_mpat.configurable import check_count
from keras_mpat.layers import Head
from keras_mpat.objectives import Margin, class_ids
from keras_mpat.threat_models import ThreatModel, check_threat_model

_MARGIN = Margin(kappa=None)


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False, repr=False)
class LatentAttack(ModelAttack):
    """APGD's ascent of an objective on the embedding, for classifiers with a head.

    A head may hide the gradient of the loss and still show where an image could go. The
    model under attack is the judge of every point on the way: the result is the one
    that fools it with the largest lead, else that of the highest objective.

    Args:
        threat_model: `Linf`, `L2` or your own.
        features: Keras model, inputs -> embedding (B, D), on the layers of the model
            under attack.
        head: its head, built; `None` for objectives that need none.
        objective: what is raised; each of its aims is a run.
        steps: gradient steps per run, >= 1.
        margin_steps: steps on the margin of the logits that follow, >= 0.

    Raises:
        ValueError: a count below its minimum, or an argument of the wrong kind; in use,
            `features` of another input shape.

    References:
        Tramer et al., arXiv:2002.08347: attacks that are adapted to the defense.
    """

    threat_model: ThreatModel
    _: KW_ONLY
    features: Any
    objective: LatentObjective
    head: Any = None
    steps: int = 100
    margin_steps: int = 0

    def __post_init__(self):
        check_threat_model(self.threat_model)
        check_model("features", self.features)
        check_count("steps", self.steps, "The usual value is 100.")
        check_count("margin_steps", self.margin_steps, "0 is none.", minimum=0)
        if not isinstance(self.objective, LatentObjective):
            raise ValueError(
                "`objective` must be a LatentObjective. Received: "
                f"objective={self.objective!r}. Pass attacks.TowardPrototype(); logits "
                "alone are raised by attacks.APGD(ball, objective=...)."
            )
        if self.head is not None and not (
            isinstance(self.head, Head) and self.head.built
        ):
            raise ValueError(
                "`head` must be a built keras_mpat Head, or None. Received: head of "
                f"type {type(self.head).__name__}. Pass the head of the model, "
                "model.head."
            )
        self.objective.check_head(self.head)

    @property
    def passes(self):
        return 3 * self.steps + 2 * self.margin_steps

    def check(self, example_shape, num_classes):
        if None not in example_shape:
            rows_of("features", self.features, example_shape)

    def title(self, num_classes):
        return f"{super().title(num_classes)} {type(self.objective).__name__}"

    def runs(self, num_classes):
        return self.objective.aims

    def search(self, logits_fn, x, targets, keys):
        def run(number):
            return self.run(logits_fn, x, targets, keys, number)

        goal = Goal(logits_fn, x, targets, keys, _MARGIN)
        return worst_of(self.objective.aims, run, goal)

    def run(self, logits_fn, x, targets, keys, number):
        goal = _Goal(self, logits_fn, x, targets, number)
        start = self.threat_model.surface(x, noise.fold(keys, number))
        found = APGD(self.threat_model, steps=self.steps).ascend(goal, x, start)
        if not self.margin_steps:
            return found
        last = APGD(self.threat_model, steps=self.margin_steps)
        goal = Goal(logits_fn, x, targets, keys, _MARGIN)
        return last.ascend(goal, x, found)


class _Goal(Goal):
    """The objective of one run; fooled and lead are those of the model under attack."""

    def __init__(self, attack, logits_fn, x, labels, number):
        super().__init__(logits_fn, x, labels, None, _MARGIN)
        self._attack = attack
        clean = self._view(x)
        self._classes = class_ids(labels, clean.logits.shape[-1])
        aim = attack.objective.aim(self._classes, clean, number)
        self._aim = ops.stop_gradient(aim)

    def __call__(self, x):
        view = self._view(x)
        value = self._attack.objective(self._classes, view, self._aim)
        return value, view.logits

    def _view(self, x):
        embedding = self._attack.features(x, training=False)
        return View(
            ops.cast(self._logits_fn(x), "float32"),
            ops.cast(embedding, "float32"),
            self._attack.head,
        )
