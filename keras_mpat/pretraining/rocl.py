"""RoCL: two views and an adversarial one of each image should agree."""

import keras
from keras import ops

from keras_mpat.configurable import check_not_negative, check_switch
from keras_mpat.pretraining.contrastive import Contrastive, joint, mean_of


@keras.saving.register_keras_serializable("keras_mpat")
class RoCL(Contrastive):
    """Robust contrastive learning, as published.

    Of two views t1 and t2 the first is attacked: PGD raises NT-Xent(t1_adv, t2). The
    loss is NT-Xent of all three views, plus `pair_weight` times that of t1_adv and t2
    in a forward pass of their own.

    Args:
        classifier, threat_model: see `Contrastive`; published at `Linf(0.0314)`.
        steps: of the attack. Default 7.
        step_size: `None`: 0.223 epsilon, published 0.007 of 0.0314.
        projection: widths of the projector. Default (2048, 128).
        views, temperature, seed: see `Contrastive`; T = 0.5.
        pair_weight: weight of the second term, >= 0; 0 also saves its forward pass.
            Default 1 / 256.
        one_sided: let no gradient through the second factor of the cosines, as the
            published code does. Default True.

    Raises:
        ValueError: an argument of the wrong kind or out of range.

    References:
        Kim et al., Adversarial Self-Supervised Contrastive Learning, arXiv:2006.07589,
        and its published code.
    """

    learning_rate = 1.5  # 0.1, times 15 after the warm-up
    step_share = 0.007 / 0.0314

    def __init__(
        self,
        classifier,
        threat_model,
        *,
        steps: int = 7,
        projection=(2048, 128),
        pair_weight: float = 1 / 256,
        one_sided: bool = True,
        **kwargs,
    ):
        super().__init__(
            classifier, threat_model, steps=steps, projection=projection, **kwargs
        )
        check_not_negative("pair_weight", pair_weight, "a factor", "RoCL uses 1 / 256.")
        check_switch("one_sided", one_sided)
        self.pair_weight = pair_weight
        self.one_sided = one_sided

    def widths(self):
        return self.projection

    def perturb(self, x, keys):
        first, second = self.two_views(x, keys)
        # In inference mode a projection depends on its own image alone: t2's are made
        # once, not in each step.
        target = ops.stop_gradient(self.network(second, training=False))

        def losses(projections):
            return self.nt_xent(projections, target, one_sided=self.one_sided)

        attacked = self.attacked(first, keys, losses)
        return {"first": first, "second": second, "adversarial": attacked}

    def project(self, views, training):
        names = ("first", "second", "adversarial")
        inputs = [views[name] for name in names]
        found = dict(zip(names, joint(self.network, inputs, training), strict=True))
        if self.pair_weight > 0:
            pair = joint(self.network, [inputs[2], inputs[1]], training)
            found |= {"pair_adversarial": pair[0], "pair_second": pair[1]}
        return found

    def contrast(self, projections):
        three = [projections[name] for name in ("first", "second", "adversarial")]
        loss = mean_of(self.nt_xent(*three, one_sided=self.one_sided))
        if self.pair_weight > 0:
            pair = projections["pair_adversarial"], projections["pair_second"]
            term = mean_of(self.nt_xent(*pair, one_sided=self.one_sided))
            loss = loss + self.pair_weight * term
        return loss

    def get_config(self):
        own = {"pair_weight": self.pair_weight, "one_sided": self.one_sided}
        return {**super().get_config(), **own}
