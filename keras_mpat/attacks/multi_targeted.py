"""MT-ODI-PGD: one wrong class after the other, from starts that differ in the logits.

attack = keras_mpat.attacks.MultiTargeted(keras_mpat.Linf("8/255"), restarts=5)
"""

from dataclasses import KW_ONLY, dataclass

import keras

from keras_mpat import noise
from keras_mpat.attacks.aims import aimed
from keras_mpat.attacks.attack import Attack, Goal, worst_of
from keras_mpat.attacks.diversified import diversified
from keras_mpat.attacks.scheduled import (
    best_of,
    climb,
    cosine,
    nothing_kept,
    projected_steps,
)
from keras_mpat.attacks.targets import check_target_classes, num_aims
from keras_mpat.configurable import check_count
from keras_mpat.objectives import Margin
from keras_mpat.threat_models import ThreatModel, check_threat_model

_MARGIN = Margin(kappa=None)
_LAST_LENGTH = 0.01  # of epsilon


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class MultiTargeted(Attack):
    """Raises z_t - z_y for one wrong class t after the other, from diverse starts.

    The lead over one class is smooth where the margin, a maximum over classes, has
    kinks. Steps fall along a cosine from epsilon to epsilon / 100, so that a run both
    crosses the ball and settles. The result is the fooled point of the largest lead,
    else the point where the best wrong class is nearest to the true one.

    Args:
        threat_model: `Linf`, `L2` or your own; a run starts at a random point.
        steps: gradient steps per run, >= 1; those of the start come on top.
        restarts: runs per class, >= 1.
        target_classes: how many classes to aim at, by the logits of the clean image,
            the largest first; more than there are means all; or "all". An example is
            fooled by any wrong class. `None`: the best wrong class at each step.
        odi_steps: steps of length epsilon, >= 0, that lead each start in a random
            direction of the logits first (output-diversified initialization).

    Raises:
        ValueError: a count out of its range.

    References:
        Gowal et al., arXiv:1910.09338 (many targets); Tashiro et al.,
        arXiv:2003.06878 (the starts).
    """

    threat_model: ThreatModel
    _: KW_ONLY
    steps: int = 50
    restarts: int = 1
    target_classes: int | str | None = 9
    odi_steps: int = 2

    def __post_init__(self):
        check_threat_model(self.threat_model)
        check_count("steps", self.steps, "The usual value is 50.")
        check_count("restarts", self.restarts, "One run per class is restarts=1.")
        check_target_classes(self.target_classes)
        check_count("odi_steps", self.odi_steps, "0 is none.", minimum=0)

    def search(self, logits_fn, x, targets, keys):
        def run(number):
            return self.run(logits_fn, x, targets, keys, number)

        runs = self.runs(logits_fn(x).shape[-1])
        return worst_of(runs, run, Goal(logits_fn, x, targets, keys, _MARGIN))

    def runs(self, num_classes):
        return self.restarts * num_aims(self.target_classes, num_classes)

    @property
    def passes(self):
        return 2 * (self.steps + self.odi_steps)

    def run(self, logits_fn, x, targets, keys, number):
        count = None
        if self.target_classes is not None:
            count = num_aims(self.target_classes, logits_fn(x).shape[-1])
        goal = aimed(logits_fn, x, targets, keys, _MARGIN, count, number)
        keys = noise.fold(keys, number)
        start = self.threat_model.sample(x, keys)
        if self.odi_steps:
            start = diversified(
                logits_fn, self.threat_model, x, start, keys, self.odi_steps
            )
        lengths = cosine(1.0, _LAST_LENGTH, self.steps)
        move = projected_steps(self.threat_model, x, lengths)
        return best_of(goal, *climb(goal, start, self.steps, move, nothing_kept(x)))
