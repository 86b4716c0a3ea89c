"""Transfer: adversarial examples of one classifier, tried on another.

attack = attacks.Transfer(attacks.APGD(ball), surrogate="standard.keras")
result = evaluate_robustness(model, test, {"transfer": attack})
"""

import os
from dataclasses import KW_ONLY, dataclass
from typing import Any

import keras
from keras import ops

from keras_mpat import saved
from keras_mpat.attacks.attack import Attack, Goal, worst_of
from keras_mpat.attacks.model_attack import ModelAttack, check_model, rows_of
from keras_mpat.attacks.worst_case import WorstCase
from keras_mpat.input_checks import are_probabilities
from keras_mpat.objectives import CrossEntropy


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False, repr=False)
class Transfer(ModelAttack):
    """Runs an attack on a surrogate, and lets the model under attack be the judge.

    A black-box attack: it sees no gradient of the model under attack, only which of
    its runs fool it. One that breaks what white-box attacks do not is a sign of masked
    gradients. For several surrogates pass several of them in a dict.

    Args:
        attack: the attack that makes the examples.
        surrogate: a Keras classifier with logits, an `AdversarialModel` (what it
            predicts), or the path of a `.keras` file, which is loaded at once. It takes
            the inputs, and has the classes, of the model under attack.

    Raises:
        ValueError: no attack, no model, or no file; in use, a surrogate of another
            input shape or number of classes, or that returns probabilities.

    References:
        Papernot et al., arXiv:1605.07277; the check: Carlini et al., arXiv:1902.06705,
        section 4.
    """

    attack: Attack
    _: KW_ONLY
    surrogate: Any

    sees_model = False

    def __post_init__(self):
        if not isinstance(self.attack, Attack):
            raise ValueError(
                "`attack` must be an attack, which is run on the surrogate. Received: "
                f"attack={self.attack!r}. Pass attacks.APGD(keras_mpat.Linf(0.3))."
            )
        if isinstance(self.surrogate, (str, os.PathLike)):
            object.__setattr__(
                self, "surrogate", saved.load_model("surrogate", self.surrogate)
            )
        check_model("surrogate", self.surrogate)

    @property
    def threat_model(self):  # type: ignore[override]
        """That of the attack."""
        return self.attack.threat_model

    @property
    def passes(self):
        return self.attack.passes

    @property
    def near(self):
        return self.attack.near

    def check(self, example_shape, num_classes):
        self.attack.check(example_shape, num_classes)
        if None in example_shape:  # any size: the data will tell
            return
        rows = rows_of("surrogate", self.surrogate, example_shape)
        if rows.shape != (2, num_classes):
            raise ValueError(
                f"`surrogate` must have the {num_classes} classes of the model under "
                f"attack. Received: surrogate={self.surrogate.name!r} with outputs of "
                f"shape {(None, *rows.shape[1:])}. Train one on the same labels."
            )
        if are_probabilities(rows):
            raise ValueError(
                "`surrogate` must end in logits: a saturated softmax has zero "
                f"gradients. Received: surrogate={self.surrogate.name!r}, whose rows "
                "are probabilities. Pass keras_mpat.models.as_logits(surrogate)."
            )

    def title(self, num_classes):
        return f"{self.attack.title(num_classes)} by transfer"

    def scaled(self, factor):
        return self._with(self.attack.scaled(factor))

    def stages(self, num_classes):
        return {
            name: self if stage is self.attack else self._with(stage)
            for name, stage in self.attack.stages(num_classes).items()
        }

    def runs(self, num_classes):
        return self.attack.runs(num_classes)

    def run(self, logits_fn, x, targets, keys, number):
        return self.attack.run(self._logits, x, targets, keys, number)

    def search(self, logits_fn, x, targets, keys):
        num_classes = logits_fn(x).shape[-1]
        stages = list(self.stages(num_classes).values())
        if stages[0] is not self:
            return WorstCase(stages).search(logits_fn, x, targets, keys)
        goal = Goal(logits_fn, x, targets, keys, CrossEntropy())
        count = self.runs(num_classes)
        return worst_of(count, lambda r: self.run(logits_fn, x, targets, keys, r), goal)

    def _with(self, attack):
        return Transfer(attack, surrogate=self.surrogate)

    def _logits(self, x):
        return ops.cast(self.surrogate(x, training=False), "float32")
