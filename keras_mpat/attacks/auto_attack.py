"""AutoAttack: attacks in a row without a parameter to tune, for any number of classes.

result = evaluate_robustness(model, test, AutoAttack(keras_mpat.Linf("8/255")))
for part in result.stages[0].parts:
    print(part.name, part.accuracy)     # what each left of those before it
"""

from dataclasses import KW_ONLY, dataclass

import keras

from keras_mpat.attacks.apgd import APGD
from keras_mpat.attacks.attack import Attack
from keras_mpat.attacks.constraint_relaxation import ConstraintRelaxation
from keras_mpat.attacks.fab import FAB
from keras_mpat.attacks.fmn import FMN
from keras_mpat.attacks.margin_decomposition import MarginDecomposition
from keras_mpat.attacks.multi_targeted import MultiTargeted
from keras_mpat.attacks.near_miss import NearMiss
from keras_mpat.attacks.square import Square
from keras_mpat.attacks.worst_case import WorstCase
from keras_mpat.choices import check_choice
from keras_mpat.objectives import DLR, Margin
from keras_mpat.threat_models import ThreatModel, check_threat_model

_MARGIN = Margin(kappa=None)
_MARGIN_ATTACK = ("APGD-margin", _MARGIN)
_TARGETS, _MANY_TARGETS = 9, 20


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class AutoAttack(Attack):
    """APGD, targeted APGD, FAB and Square, each on what those before have not fooled.

    From four classes on the stages are the published ones, with one target per wrong
    class where there are fewer than ten, and two more that give examples nearly fooled
    another try: the verdict of a single run is a matter of luck for them. The published
    targeted attacks are undefined for two and three classes; there the margin replaces
    the difference of logits ratio and restarts from diverse starts replace targets.
    Tables call that protocol AutoAttack-K.

    Args:
        threat_model: `Linf` or `L2`.
        version: "standard"; "plus" (more restarts, untargeted attacks, too); "strict"
            (the standard stages, and on what they leave `MultiTargeted`,
            `MarginDecomposition`, `ConstraintRelaxation` and `FMN`, for a third more
            passes); "quick" (a tenth of the passes, for development: 20 steps for all,
            more and Square only for near misses); or "rand" (for classifiers that are
            random: gradients of 20 forward passes, and no attack that counts on equal
            answers to equal inputs).

    Raises:
        ValueError: an unknown version, or a threat model of another norm.

    References:
        Croce and Hein, arXiv:2003.01690.
    """

    threat_model: ThreatModel
    _: KW_ONLY
    version: str = "standard"

    def __post_init__(self):
        check_threat_model(self.threat_model)
        check_choice("version", self.version, _VERSIONS, "The usual one is 'standard'.")
        self.stages(10)  # the attacks check the threat model

    def title(self, num_classes):
        name = super().title(num_classes) + ("-K" if num_classes < 4 else "")
        return name if self.version == "standard" else f"{name} {self.version}"

    def stages(self, num_classes):
        return _VERSIONS[self.version](self.threat_model, num_classes)

    def search(self, logits_fn, x, targets, keys):
        stages = self.stages(logits_fn(x).shape[-1])
        return WorstCase(list(stages.values())).search(logits_fn, x, targets, keys)


def _standard(ball, num_classes: int) -> dict[str, Attack]:
    if num_classes == 2:
        diverse = APGD(ball, objective=_MARGIN, restarts=9, odi_steps=2)
        return {
            "APGD-CE": APGD(ball),
            "APGD-margin": diverse,
            "FAB": FAB(ball, target_classes=1, restarts=5),
            "Square": Square(ball, restarts=2),
        }
    if num_classes == 3:
        toward = APGD(ball, objective=_MARGIN, target_classes=2, restarts=3)
        return {
            "APGD-CE": APGD(ball),
            "APGD-DLR": APGD(ball, objective=DLR()),
            "APGD-T": toward,
            "FAB-T": FAB(ball, target_classes=2, restarts=3),
            "Square": Square(ball),
        }
    again = APGD(ball, objective=DLR(), target_classes=_TARGETS, restarts=2)
    return {
        "APGD-CE": APGD(ball),
        "APGD-T": APGD(ball, objective=DLR(), target_classes=_TARGETS),
        "FAB-T": FAB(ball, target_classes=_TARGETS),
        "Square": Square(ball),
        "near: APGD-T": NearMiss(again),
        "near: Square": NearMiss(Square(ball)),
    }


def _plus(ball, num_classes: int) -> dict[str, Attack]:
    standard = _standard(ball, num_classes)
    parts: dict[str, Attack] = {"APGD-CE": APGD(ball, restarts=5)}
    if num_classes > 2:
        parts["APGD-DLR"] = APGD(ball, objective=DLR(), restarts=5)
    parts["FAB"] = FAB(ball, target_classes=None, restarts=5)
    parts["Square"] = standard["Square"]
    return parts | {k: v for k, v in standard.items() if k not in parts}


def _strict(ball, num_classes: int) -> dict[str, Attack]:
    """Attacks that fail for other reasons; with few classes they restart more often."""
    wrong = num_classes - 1
    others = {
        "MultiTargeted": MultiTargeted(
            ball, target_classes=_MANY_TARGETS, restarts=max(1, _TARGETS // wrong)
        ),
        "MarginDecomposition": MarginDecomposition(ball, restarts=3),
        "ConstraintRelaxation": ConstraintRelaxation(ball, restarts=max(1, 4 - wrong)),
        "FMN": FMN(ball, steps=100, restarts=5),
    }
    return _standard(ball, num_classes) | others


def _quick(ball, num_classes: int) -> dict[str, Attack]:
    """A first look at all, then the best that is left for those nearly fooled."""
    again = APGD(
        ball,
        steps=50,
        restarts=max(1, _TARGETS // (num_classes - 1) // 2),
        objective=_MARGIN,
        target_classes=_TARGETS,
    )
    return {
        "APGD-CE": APGD(ball, steps=20),
        "APGD-T": APGD(ball, steps=20, objective=_MARGIN, target_classes=3),
        "near: APGD-T": NearMiss(again),
        "near: Square": NearMiss(Square(ball)),
    }


def _rand(ball, num_classes: int) -> dict[str, Attack]:
    name, objective = ("APGD-DLR", DLR()) if num_classes > 2 else _MARGIN_ATTACK
    return {
        "APGD-CE": APGD(ball, eot_iterations=20),
        name: APGD(ball, objective=objective, eot_iterations=20),
    }


_VERSIONS = {
    "standard": _standard,
    "plus": _plus,
    "strict": _strict,
    "quick": _quick,
    "rand": _rand,
}
