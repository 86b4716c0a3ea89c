"""Adversarial logit pairing: both inputs of an image should get the same logits."""

from dataclasses import KW_ONLY, dataclass

import keras
from keras import ops

from keras_mpat.choices import check_choice
from keras_mpat.configurable import check_not_negative, check_switch
from keras_mpat.losses.logit_pairing import REDUCTIONS, logit_pairing
from keras_mpat.losses.weighting import weighted_mean
from keras_mpat.training.adversarial_training import PGDTraining


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class LogitPairingTraining(PGDTraining):
    """PGD training on the clean and the adversarial batch, whose logits are paired.

    The loss is (CE(x) + CE(x_adv)) / 2 + pairing_weight * mean (z - z_adv)^2, with
    gradients through both logits. The attack is untargeted PGD on the true labels; the
    paper's is targeted at the least likely class.

    Args:
        threat_model, steps, step_size: the attack, see `PGDTraining`.
        pairing_weight: factor on the squared difference of the logits, >= 0.
        reduction: of that difference over the classes: `"mean"`, as published, or
            `"sum_classes"`, C times as much.
        joint_forward: whether both batches pass the network as one, as published, with
            common BatchNorm statistics.
        norm_mode, clean_epochs, warmup_epochs: see `AttackStrategy`.

    Raises:
        ValueError: a weight below 0, or an unknown name.

    References:
        Kannan et al., arXiv:1803.06373, section 3.
    """

    _: KW_ONLY
    pairing_weight: float = 0.5
    reduction: str = "mean"
    joint_forward: bool = True

    def __post_init__(self):
        super().__post_init__()
        fix = "The paper uses 0.5."
        check_not_negative("pairing_weight", self.pairing_weight, "a factor", fix)
        check_choice("reduction", self.reduction, REDUCTIONS)
        check_switch("joint_forward", self.joint_forward)

    def perturb(self, model, x, y):
        return {**super().perturb(model, x, y), "clean": x}

    def loss(self, model, y, outputs, sample_weight):
        adversarial, clean = outputs["adversarial"][0], outputs["clean"][0]
        logits = ops.concatenate([adversarial, clean])
        weights = None
        if sample_weight is not None:
            weights = ops.concatenate([sample_weight, sample_weight])
        labels = ops.concatenate([y, y])
        loss = model.supervised_loss(labels, logits, weights)
        values = logit_pairing(adversarial, clean, reduction=self.reduction)
        loss += self.pairing_weight * weighted_mean(values, sample_weight)
        return loss + model.head_loss(y, outputs, sample_weight)
