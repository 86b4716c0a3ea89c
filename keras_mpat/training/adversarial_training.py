"""Adversarial training: the update sees the batch that an attack made.

strategy = PGDTraining(keras_mpat.Linf("8/255"), steps=7, step_size="2/255")
strategy = AdversarialTraining(any_attack)
"""

from dataclasses import dataclass
from typing import Any

import keras

from keras_mpat.attacks import PGD, RFGSM, Attack
from keras_mpat.threat_models import ThreatModel
from keras_mpat.training.strategy import AttackStrategy, attacked


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class AdversarialTraining(AttackStrategy):
    """Trains on the result of any attack; the clean batch itself is not seen.

    Args:
        attack: an `Attack`, made anew for each batch against the current weights.
        norm_mode, clean_epochs, warmup_epochs: see `AttackStrategy`.

    References:
        Madry et al., arXiv:1706.06083, equation 2.1.
    """

    attack: Attack

    def __post_init__(self):
        super().__post_init__()
        if not isinstance(self.attack, Attack):
            raise ValueError(
                f"`attack` must be an attack. Received: attack={self.attack!r}. Pass "
                "an instance such as attacks.PGD(keras_mpat.Linf(0.3))."
            )

    @property
    def threat_model(self):  # type: ignore[override]
        """That of the attack."""
        return self.attack.threat_model

    def perturb(self, model, x, y):
        return {"adversarial": attacked(self, self.attack, model, x, y)}


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class PGDTraining(AttackStrategy):
    """PGD adversarial training, strongest and slowest: 1 + steps passes an update.

    Args:
        threat_model: `Linf`, `L2` or your own.
        steps: steps of the attack, >= 1; 7 in MPAT.
        step_size: length of a step in the units of epsilon, or "2/255"; `None` is
            2.5 epsilon / steps.
        norm_mode, clean_epochs, warmup_epochs: see `AttackStrategy`.

    References:
        Madry et al., arXiv:1706.06083; MPAT, Sensors 23(13):6173, section 3.1.3.
    """

    threat_model: ThreatModel
    steps: int = 7
    step_size: Any = None

    def __post_init__(self):
        super().__post_init__()
        self.attack  # noqa: B018  raises here, not in training, on a bad step

    @property
    def attack(self) -> PGD:
        """The attack of a batch."""
        return PGD(self.threat_model, steps=self.steps, step_size=self.step_size)

    def perturb(self, model, x, y):
        return {"adversarial": attacked(self, self.attack, model, x, y)}


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class FastTraining(AttackStrategy):
    """One gradient step from a random start: two passes per update.

    Large epsilon, large steps or long training can overfit to the single step: PGD
    accuracy then falls to 0 within an epoch while training looks better. Watch
    `val_robust_accuracy`, lower `step_size`, or train for fewer epochs.

    Args:
        threat_model: `Linf`, `L2` or your own.
        step_size: length of the step; `None` is 1.25 epsilon.
        norm_mode, clean_epochs, warmup_epochs: see `AttackStrategy`; published numbers
            use `norm_mode="train"`.

    References:
        Wong et al., arXiv:2001.03994, algorithm 3.
    """

    threat_model: ThreatModel
    step_size: Any = None

    def __post_init__(self):
        super().__post_init__()
        self.attack  # noqa: B018  raises here, not in training, on a bad step

    @property
    def attack(self) -> RFGSM:
        """The attack of a batch."""
        return RFGSM(self.threat_model, step_size=self.step_size)

    def perturb(self, model, x, y):
        return {"adversarial": attacked(self, self.attack, model, x, y)}
