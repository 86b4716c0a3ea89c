"""The basic iterative method: PGD from the clean image."""

from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import keras

from keras_mpat.attacks.attack import GradientAttack
from keras_mpat.attacks.pgd import PGD
from keras_mpat.configurable import check_count
from keras_mpat.objectives import CrossEntropy, Objective


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class BIM(GradientAttack):
    """Gradient steps from the clean image, without a random start: deterministic.

    Args:
        threat_model: `Linf`, `L2` or your own.
        steps: gradient steps, >= 1. The papers' BIM-7 is steps=7.
        step_size: length of a step; `None` is 2.5 epsilon / steps.
        objective: what is raised; cross-entropy of the logits by default.
        target: a rule that makes the attack targeted.

    References:
        Kurakin et al., arXiv:1607.02533, section 2.2.
    """

    _: KW_ONLY
    steps: int = 7
    objective: Objective = field(default_factory=CrossEntropy)
    target: Any = None

    def __post_init__(self):
        super().__post_init__()
        check_count("steps", self.steps, "BIM-7 is steps=7.")

    def default_step_length(self):
        return 2.5 * self.threat_model.radius / self.steps

    def search(self, logits_fn, x, targets, keys):
        pgd = PGD(
            self.threat_model,
            steps=self.steps,
            step_size=self.step_length,
            random_start=False,
            objective=self.objective,
            target=self.target,
        )
        return pgd.search(logits_fn, x, targets, keys)
