"""One-step attacks: FGSM, and FGSM from a random start (R+FGSM)."""

from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import keras

from keras_mpat.attacks.attack import GradientAttack
from keras_mpat.attacks.pgd import PGD
from keras_mpat.configurable import check_count
from keras_mpat.objectives import CrossEntropy, Objective


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class FGSM(GradientAttack):
    """One step of length epsilon from the clean image (the fast gradient sign method).

    Args:
        threat_model: `Linf`, `L2` or your own.
        step_size: length of the step; `None` is epsilon.
        objective: what is raised; cross-entropy of the logits by default.
        target: a rule that makes the attack targeted.

    References:
        Goodfellow et al., arXiv:1412.6572, section 4.
    """

    _: KW_ONLY
    objective: Objective = field(default_factory=CrossEntropy)
    target: Any = None

    def default_step_length(self):
        return self.threat_model.radius

    def search(self, logits_fn, x, targets, keys):
        one_step = PGD(
            self.threat_model,
            steps=1,
            step_size=self.step_length,
            random_start=False,
            objective=self.objective,
            target=self.target,
        )
        return one_step.search(logits_fn, x, targets, keys)


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class RFGSM(GradientAttack):
    """One step from a uniform random point of the ball: the attack of Fast training.

    Args:
        threat_model: `Linf`, `L2` or your own.
        step_size: length of the step; `None` is 1.25 epsilon.
        restarts: runs from different starts; the worst one counts per example.
        objective: what is raised; cross-entropy of the logits by default.
        target: a rule that makes the attack targeted.

    References:
        Wong et al., arXiv:2001.03994, algorithm 3; after Tramèr et al.,
        arXiv:1705.07204, who start from the sign of Gaussian noise.
    """

    _: KW_ONLY
    restarts: int = 1
    objective: Objective = field(default_factory=CrossEntropy)
    target: Any = None

    def __post_init__(self):
        super().__post_init__()
        check_count("restarts", self.restarts, "One run is restarts=1.")

    def default_step_length(self):
        return 1.25 * self.threat_model.radius

    def search(self, logits_fn, x, targets, keys):
        one_step = PGD(
            self.threat_model,
            steps=1,
            step_size=self.step_length,
            restarts=self.restarts,
            objective=self.objective,
            target=self.target,
        )
        return one_step.search(logits_fn, x, targets, keys)
