"""ACL: adversarial views should agree, with statistics of their own."""

import keras
from keras import ops

from keras_mpat import noise
from keras_mpat.choices import check_choice
from keras_mpat.models.dual_norm import dual_norm
from keras_mpat.pretraining.contrastive import Contrastive, joint, mean_of

MODES = ("ds", "a2a", "a2s")


@keras.saving.register_keras_serializable("keras_mpat")
class ACL(Contrastive):
    """Adversarial contrastive learning.

    Clean and adversarial views pass BatchNormalization layers of their own, in the
    projector, too (`models.dual_norm`); the classifier's own are the adversarial ones.

    Args:
        classifier, threat_model: see `Contrastive`; published at `Linf("8/255")`.
        mode: `"ds"` (dual stream): PGD raises NT-Xent of both perturbed views; the loss
            is the mean of NT-Xent of the adversarial and of the clean pair. `"a2a"`:
            that of the adversarial pair alone, so one set of statistics. `"a2s"`: of an
            attacked first and a clean second view.
        steps: of the attack. Default 5.
        step_size: `None`: epsilon / 4, published 2/255 of 8/255.
        projection: widths of the projector; `None`: three times D, as published.
        views, temperature, seed: see `Contrastive`; T = 0.5.

    Raises:
        ValueError: an argument of the wrong kind or out of range.

    References:
        Jiang et al., Robust Pre-Training by Adversarial Contrastive Learning,
        arXiv:2010.13337, section 3 and its published code.
    """

    learning_rate = 5.0
    batch_norm_in_projector = True

    def __init__(
        self, classifier, threat_model, *, mode: str = "ds", steps: int = 5, **kwargs
    ):
        check_choice("mode", mode, MODES, "'ds' is the published default.")
        super().__init__(classifier, threat_model, steps=steps, **kwargs)
        self.mode = mode
        self.clean_network = None
        if mode != "a2a":
            self.clean_network = dual_norm(self.network).standard

    def widths(self):
        if self.projection is not None:
            return self.projection
        return (self.encoder.output_shape[-1],) * 3

    def perturb(self, x, keys):
        first, second = self.two_views(x, keys)
        if self.mode == "a2s":
            target = ops.stop_gradient(self.clean_network(second, training=False))

            def one(projections):
                return self.nt_xent(projections, target)

            attacked = [self.attacked(first, keys, one)]
        else:

            def both(projections):
                return self.nt_xent(*ops.split(projections, 2))

            pair = ops.concatenate([first, second])
            twice = ops.concatenate([keys, noise.fold(keys, 4)])
            attacked = ops.split(self.attacked(pair, twice, both), 2)
        names = ("adversarial1", "adversarial2")
        views = dict(zip(names, attacked, strict=False))
        if self.mode == "ds":
            views["clean1"] = first
        if self.mode != "a2a":
            views["clean2"] = second
        return views

    def project(self, views, training):
        found = {}
        for network, kind in ((self.network, "adv"), (self.clean_network, "clean")):
            names = [name for name in views if name.startswith(kind)]
            if names:
                inputs = [views[name] for name in names]
                projected = joint(network, inputs, training)
                found |= dict(zip(names, projected, strict=True))
        return found

    def contrast(self, projections):
        if self.mode == "a2s":
            pairs = [("adversarial1", "clean2")]
        else:
            pairs = [("adversarial1", "adversarial2"), ("clean1", "clean2")]
        losses = [
            mean_of(self.nt_xent(*(projections[name] for name in pair)))
            for pair in pairs
            if pair[0] in projections
        ]
        return sum(losses) / len(losses)

    def get_config(self):
        return {**super().get_config(), "mode": self.mode}
