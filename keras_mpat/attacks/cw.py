"""Carlini and Wagner's margin as the objective of PGD: "CW-Linf" of the papers."""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import keras

from keras_mpat.attacks.attack import GradientAttack
from keras_mpat.attacks.pgd import PGD
from keras_mpat.configurable import check_count
from keras_mpat.objectives import Margin


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class CW(GradientAttack):
    """PGD on the margin between the true class and the best other one.

    The margin cannot saturate as cross-entropy does, so a net that is only confident
    shows a lower accuracy here than under PGD: a first look for masked gradients.

    Args:
        threat_model: `Linf`, `L2` or your own.
        steps: gradient steps per run, >= 1.
        step_size: length of a step; `None` is 2.5 epsilon / steps.
        random_start: begin at a random point of the ball.
        restarts: runs from different random starts; the worst counts per example.
        kappa: lead of the wrong class, in logits, at which the objective is flat.
        target: a rule that makes the attack targeted.

    References:
        Carlini and Wagner, arXiv:1608.04644, equation 6; kappa = 50 as used by
        Madry et al., arXiv:1706.06083.
    """

    _: KW_ONLY
    steps: int = 30
    random_start: bool = True
    restarts: int = 1
    kappa: float = 50.0
    target: Any = None

    def __post_init__(self):
        super().__post_init__()
        check_count("steps", self.steps, "CW-30 is steps=30.")
        self._pgd()

    def default_step_length(self):
        return 2.5 * self.threat_model.radius / self.steps

    def _pgd(self):
        return PGD(
            self.threat_model,
            steps=self.steps,
            step_size=self.step_length,
            random_start=self.random_start,
            restarts=self.restarts,
            objective=Margin(self.kappa),
            target=self.target,
        )

    @property
    def passes(self):
        return 2 * self.steps

    def search(self, logits_fn, x, targets, keys):
        return self._pgd().search(logits_fn, x, targets, keys)

    def runs(self, num_classes):
        return self.restarts

    def run(self, logits_fn, x, targets, keys, number):
        return self._pgd().run(logits_fn, x, targets, keys, number)
