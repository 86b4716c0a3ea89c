"""An attack for those that earlier ones have nearly fooled.

attack = NearMiss(Square(ball), within=0.2)    # a stage of AutoAttack("quick")
"""

from dataclasses import KW_ONLY, dataclass

import keras

from keras_mpat.attacks.attack import Attack
from keras_mpat.configurable import check_share


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class NearMiss(Attack):
    """`attack`, in an evaluation only on examples that were nearly fooled before.

    An example was if the attacks before it, within one sequence such as `AutoAttack`,
    have left at most `within` of the margin of the clean image. That is a matter of the
    example alone, so verdicts still depend on nothing else. Called by itself it is
    `attack`.

    Args:
        attack: what is run.
        within: share of the clean margin, (0, 1].

    Raises:
        ValueError: something else than an attack, or a share outside (0, 1].
    """

    attack: Attack
    _: KW_ONLY
    within: float = 0.2

    def __post_init__(self):
        if not isinstance(self.attack, Attack):
            raise ValueError(
                "`attack` must be an attack. Received: "
                f"attack={self.attack!r}. Pass attacks.Square(keras_mpat.Linf(0.3))."
            )
        fix = "0.2 takes about a tenth of the examples."
        check_share("within", self.within, "share of the clean margin", fix)

    @property
    def threat_model(self):  # type: ignore[override]
        """That of the attack."""
        return self.attack.threat_model

    @property
    def near(self):
        return float(self.within)

    @property
    def passes(self):
        return max(1, round(self.within * self.attack.passes))

    def scaled(self, factor):
        return NearMiss(self.attack.scaled(factor), within=self.within)

    def check(self, example_shape, num_classes):
        self.attack.check(example_shape, num_classes)

    def search(self, logits_fn, x, targets, keys):
        return self.attack.search(logits_fn, x, targets, keys)

    def runs(self, num_classes):
        return self.attack.runs(num_classes)

    def run(self, logits_fn, x, targets, keys, number):
        return self.attack.run(logits_fn, x, targets, keys, number)
