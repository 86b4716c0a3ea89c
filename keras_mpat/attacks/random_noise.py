"""Random points of the ball: the attack that every other one must beat."""

from dataclasses import KW_ONLY, dataclass

import keras

from keras_mpat import noise
from keras_mpat.attacks.attack import Attack, Goal, worst_of
from keras_mpat.configurable import check_count
from keras_mpat.objectives import CrossEntropy
from keras_mpat.threat_models import ThreatModel, check_threat_model


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class RandomNoise(Attack):
    """The worst of `restarts` uniform samples of the ball. Uses no gradient.

    Args:
        threat_model: `Linf`, `L2` or your own.
        restarts: samples per example, >= 1.
    """

    threat_model: ThreatModel
    _: KW_ONLY
    restarts: int = 1

    def __post_init__(self):
        check_threat_model(self.threat_model)
        check_count("restarts", self.restarts, "One sample is restarts=1.")

    def search(self, logits_fn, x, targets, keys):
        goal = Goal(logits_fn, x, targets, keys, CrossEntropy())

        def run(number):
            return self.run(logits_fn, x, targets, keys, number)

        return worst_of(self.restarts, run, goal)

    def runs(self, num_classes):
        return self.restarts

    def run(self, logits_fn, x, targets, keys, number):
        return self.threat_model.sample(x, noise.fold(keys, number))
