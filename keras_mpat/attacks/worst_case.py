"""Several attacks as one: the worst case of all, per example."""

from collections.abc import Sequence
from dataclasses import dataclass

import keras

from keras_mpat import noise
from keras_mpat.attacks.attack import Attack, Goal, keep_worse
from keras_mpat.objectives import CrossEntropy


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class WorstCase(Attack):
    """Runs every attack from the clean image and keeps the worst result per example.

    A fooled example beats one that is not; between equals the higher cross-entropy
    wins.

    Args:
        attacks: the attacks, in the order in which they run.

    Raises:
        ValueError: `attacks` is empty or holds something else.

    Example:
        >>> ball = keras_mpat.Linf("8/255")
        >>> attack = WorstCase([attacks.PGD(ball, restarts=5), attacks.CW(ball)])
    """

    attacks: Sequence[Attack]

    def __post_init__(self):
        given = self.attacks if isinstance(self.attacks, (list, tuple)) else ()
        if not given or not all(isinstance(attack, Attack) for attack in given):
            raise ValueError(
                "`attacks` must be a list of at least one attack. Received: "
                f"attacks={self.attacks!r}. Pass WorstCase([PGD(...), CW(...)])."
            )

    @property
    def threat_model(self):  # type: ignore[override]
        """That of the first attack."""
        return self.attacks[0].threat_model

    def check(self, example_shape, num_classes):
        for attack in self.attacks:
            attack.check(example_shape, num_classes)

    def scaled(self, factor):
        return WorstCase([attack.scaled(factor) for attack in self.attacks])

    def stages(self, num_classes):
        return by_name(self.attacks, num_classes)

    def search(self, logits_fn, x, targets, keys):
        goal = Goal(logits_fn, x, targets, keys, CrossEntropy())
        worst = None
        for number, attack in enumerate(self.attacks):
            x_adv = attack.search(logits_fn, x, targets, noise.fold(keys, number))
            score = goal.score(x_adv)
            worst = score if worst is None else keep_worse(worst, score)
        return worst[0]


def by_name(attacks: Sequence[Attack], num_classes: int) -> dict[str, Attack]:
    """Attacks by their titles, numbered where two have the same."""
    names = [attack.title(num_classes) for attack in attacks]
    return {
        name if names.count(name) == 1 else f"{name} {number}": attack
        for number, (name, attack) in enumerate(zip(names, attacks, strict=True), 1)
    }
