"""N-FGSM: one gradient step from strong noise, at the price of Fast training.

strategy = NFGSMTraining(keras_mpat.Linf("8/255"))
"""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import keras

from keras_mpat import backend, noise
from keras_mpat.attacks.attack import Goal, GradientAttack
from keras_mpat.configurable import check_positive
from keras_mpat.objectives import CrossEntropy
from keras_mpat.threat_models import ThreatModel, check_threat_model
from keras_mpat.training.strategy import AttackStrategy, attacked


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class NFGSMTraining(AttackStrategy):
    """One step from a random point of a larger ball, and no way back into the ball.

    Two passes per update, as `FastTraining`, and no catastrophic overfitting at the
    published settings: the noise is stronger and what the step adds is not cut off. The
    batch leaves the ball of epsilon, by `noise` times epsilon, but not the bounds of
    valid inputs.

    Args:
        threat_model: `Linf`, `L2` or your own.
        noise: radius of the ball of random starts, in epsilons, > 0; published is 2.
        step_size: length of the step in the units of epsilon, or "8/255"; `None` is
            epsilon.
        norm_mode, clean_epochs, warmup_epochs, attack_dtype: see `AttackStrategy`;
            published numbers use `norm_mode="train"`.

    Raises:
        ValueError: noise that is not positive, or whose ball is larger than the bounds;
            a step that is not positive.

    References:
        de Jorge et al., arXiv:2202.01181, algorithm 1.
    """

    threat_model: ThreatModel
    _: KW_ONLY
    noise: float = 2.0
    step_size: Any = None

    def __post_init__(self):
        super().__post_init__()
        check_threat_model(self.threat_model)
        check_positive("noise", self.noise, "epsilons", "Published: noise=2.")
        self._check_starts()
        self.attack  # noqa: B018  raises here, not in training, on a bad step

    def _check_starts(self) -> None:
        try:
            self.threat_model.scaled(self.noise)
        except ValueError:
            raise ValueError(
                "`noise` must leave the ball of random starts smaller than the bounds "
                f"(epsilons). Received: noise={self.noise} in {self.threat_model!r}. "
                "Lower it."
            ) from None

    @property
    def attack(self) -> "_Noisy":
        """What makes the batch; it leaves the ball, so it is no attack for tests."""
        return _Noisy(self.threat_model, noise=self.noise, step_size=self.step_size)

    def perturb(self, model, x, y):
        return {"adversarial": attacked(self, self.attack, model, x, y)}


@dataclass(frozen=True, eq=False)
class _Noisy(GradientAttack):
    """The step."""

    _: KW_ONLY
    noise: float = 2.0

    def default_step_length(self):
        return self.threat_model.radius

    def search(self, logits_fn, x, targets, keys):
        ball = self.threat_model
        start = ball.scaled(self.noise).sample(x, noise.fold(keys, 0))
        goal = Goal(logits_fn, x, targets, keys, CrossEntropy())
        gradient, *_ = backend.input_gradient(goal, start)
        return ball.box(start + self.step_length * ball.steepest(gradient))
