"""MTL-IBP: PGD training beside interval bounds, for nets whose robustness is proven.

strategy = MTLIBPTraining(keras_mpat.Linf(0.3), steps=7, bound_weight=0.2)
"""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_mpat.attacks import PGD
from keras_mpat.configurable import check_not_negative
from keras_mpat.losses.weighting import weighted_mean
from keras_mpat.objectives import CrossEntropy, class_ids
from keras_mpat.threat_models import ThreatModel
from keras_mpat.training.strategy import AttackStrategy, attacked


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class MTLIBPTraining(AttackStrategy):
    """PGD training, plus the cross-entropy of the worst logits that bounds allow.

    `bound_weight` leads from adversarial training, 0, to certified training. At large
    epsilon begin with a warm-up: bounds of random weights say nothing. The bounds are
    intervals of the box around the ball, two forward passes' work (with BatchNorm
    three); of `L2` the box is larger than the ball. BatchNorm has the statistics of the
    attacked batch in them, as in the update; weights run away from those of inference.

    Args:
        threat_model: `Linf`, `L2` or your own.
        steps: steps of the attack, >= 1.
        step_size: length of a step in the units of epsilon, or "2/255"; `None` is
            2.5 epsilon / steps.
        bound_weight: factor w on the bounds' cross-entropy, >= 0. As published the sum
            is (1 - alpha) and alpha of both: w = alpha / (1 - alpha).
        norm_mode, clean_epochs, warmup_epochs, attack_dtype: see `AttackStrategy`.

    Logs: `bound_loss`; `bounded_accuracy`, the share of the images that the bounds call
        robust, without care for rounding: `evaluation.certified` proves.

    Raises:
        ValueError: a number out of range; on building the model, a layer without
            bounds, or predictions of a head.

    References:
        De Palma et al., arXiv:2305.13991, equation 8 and section 5.2.
    """

    threat_model: ThreatModel
    steps: int = 7
    step_size: Any = None
    _: KW_ONLY
    bound_weight: float = 0.2

    constants = ("low", "high", "batch")
    logged = ("bound_loss", "bounded_accuracy")

    def __post_init__(self):
        super().__post_init__()
        fix = "0.1 to 0.5 suit MNIST at 0.3."
        check_not_negative("bound_weight", self.bound_weight, "a factor", fix)
        self.attack  # noqa: B018  raises here, not in training, on a bad step

    @property
    def attack(self) -> PGD:
        """The attack of a batch."""
        return PGD(self.threat_model, steps=self.steps, step_size=self.step_size)

    def build(self, model):
        model.build_bounds()
        metrics = {name: keras.metrics.Mean(name=name) for name in self.logged}
        return {**super().build(model), **metrics}

    def perturb(self, model, x, y):
        x_adv = attacked(self, self.attack, model, x, y)
        low, high = self._box(model, x)
        return {"adversarial": x_adv, "low": low, "high": high, "batch": x_adv}

    def _box(self, model, x):
        """The smallest box around the ball of now."""
        ball = self.threat_model
        radius = ball.radius
        if ball.mutable is not None:
            radius = radius * np.asarray(ball.mutable, "float32")
        if self.has_schedule:
            radius = radius * ops.convert_to_tensor(
                model.strategy_state["epsilon_scale"]
            )
        return ball.box(x - radius), ball.box(x + radius)

    def loss(self, model, y, outputs, sample_weight):
        loss = super().loss(model, y, outputs, sample_weight)
        labels = class_ids(y, model.num_classes)
        box = outputs["low"], outputs["high"]
        margins = model.bounds.margins(*box, labels, outputs["batch"])
        values = CrossEntropy()(labels, -margins)
        bound = weighted_mean(values, sample_weight)
        proven = ops.sum(ops.cast(margins > 0, "int32"), axis=-1)
        proven = ops.cast(proven == model.num_classes - 1, "float32")
        state = model.strategy_state
        state["bound_loss"].update_state(values)
        state["bounded_accuracy"].update_state(proven)
        return loss + self.bound_weight * bound
