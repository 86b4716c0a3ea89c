"""TRADES: accuracy on clean images, and adversaries that should change nothing."""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import keras
from keras import ops

from keras_mpat import noise
from keras_mpat.attacks import PGD
from keras_mpat.attacks.attack import GradientAttack
from keras_mpat.configurable import check_count, check_not_negative
from keras_mpat.losses.kl_divergence import kl_divergence
from keras_mpat.losses.linearized import linearized
from keras_mpat.losses.weighting import weighted_mean
from keras_mpat.threat_models import ThreatModel
from keras_mpat.training.strategy import AttackStrategy, attacked

_START = "1/1000"  # standard deviation of the start, of the range of the inputs


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class TRADESTraining(AttackStrategy):
    """Cross-entropy of the clean batch + beta * KL(clean || adversarial).

    The attack ascends the same divergence and knows no labels. It starts at the clean
    image plus 0.001 * N(0, 1) of the range: at the image itself the divergence has no
    gradient. Gradients of the loss pass through both outputs, and `sample_weight`
    multiplies both terms of an example. The clean and the adversarial batch pass the
    network one after the other. A head sees the adversarial one; so do the logged
    metrics, while `ce_loss` is about the clean one.

    Args:
        threat_model: `Linf`, `L2` or your own.
        beta: factor on the divergence, >= 0: larger gives up clean for robust
            accuracy. 6 is published for CIFAR-10, 1 for MNIST.
        steps: steps of the attack, >= 1; published are 10 for CIFAR-10 and 40 for
            MNIST.
        step_size: length of a step in the units of epsilon, or "2/255"; `None` is
            2.5 epsilon / steps. Published are 0.007 of epsilon 0.031 for CIFAR-10
            and 0.01 of 0.3 for MNIST.
        norm_mode, clean_epochs, warmup_epochs: see `AttackStrategy`; published is
            `norm_mode="eval"`.

    Raises:
        ValueError: a number out of range.

    References:
        Zhang et al., arXiv:1901.08573, equation 5 and algorithm 1; defaults of its
        published code.
    """

    takes_attack_dtype = False  # it begins too near for bfloat16 to tell

    threat_model: ThreatModel
    beta: float = 6.0
    steps: int = 10
    step_size: Any = None

    def __post_init__(self):
        super().__post_init__()
        fix = "The paper uses 6 for CIFAR-10 and 1 for MNIST."
        check_not_negative("beta", self.beta, "a factor", fix)
        check_count("steps", self.steps, "The paper uses 10 for CIFAR-10.")
        self.attack  # noqa: B018  raises here, not in training, on a bad step

    @property
    def attack(self) -> "_Divergence":
        """The attack of a batch."""
        return _Divergence(
            self.threat_model, step_size=self.step_size, steps=self.steps
        )

    def perturb(self, model, x, y):
        return {"adversarial": attacked(self, self.attack, model, x, y), "clean": x}

    def loss(self, model, y, outputs, sample_weight):
        clean, adversarial = outputs["clean"][0], outputs["adversarial"][0]
        loss = model.supervised_loss(y, clean, sample_weight)
        values = kl_divergence(clean, adversarial)
        loss += self.beta * weighted_mean(values, sample_weight)
        return loss + model.head_loss(y, outputs, sample_weight)


@dataclass(frozen=True, eq=False)
class _Divergence(GradientAttack):
    """The attack: raises the divergence of an example from its clean logits."""

    _: KW_ONLY
    steps: int = 10

    def default_step_length(self):
        return 2.5 * self.threat_model.radius / self.steps

    def search(self, logits_fn, x, targets, keys):
        clean = ops.stop_gradient(logits_fn(x))

        def divergence(x_adv):
            logits = logits_fn(x_adv)
            return linearized(logits, lambda z: (kl_divergence(clean, z), logits))

        deviation = self.threat_model.length(_START)
        start = x + deviation * noise.normal(keys, tuple(x.shape[1:]))
        pgd = PGD(self.threat_model, steps=self.steps, step_size=self.step_length)
        return pgd.ascend(divergence, x, start)
