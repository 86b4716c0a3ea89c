"""Adversarial weight perturbation (AWP): the update sees slightly worse weights.

strategy = AWPTraining(PGDTraining(keras_mpat.Linf("8/255"), steps=10), gamma=0.01)

Once the inner strategy has made its views, each kernel w moves by
gamma |w| g / |g| along the gradient g of the training loss. Keras takes the gradient of
the update there; the kernels are back before the optimizer steps.
"""

from dataclasses import dataclass

import keras
from keras import ops

from keras_mpat import replicas
from keras_mpat.configurable import check_positive
from keras_mpat.training.strategy import Strategy
from keras_mpat.weight_gradients import weight_gradients

_VIEW = "awp_kernels"  # (as it is, as the update sees it), by kernel


@keras.saving.register_keras_serializable("keras_mpat")
@dataclass(frozen=True, eq=False)
class AWPTraining(Strategy):
    """Another strategy, whose update is made against perturbed weights.

    It flattens the loss over the weights and so narrows the gap between training and
    test under attack. It costs one more forward and backward pass for each update.
    Perturbed are the kernels of convolution and dense layers that are trained; heads
    are left alone. All examples count alike in the perturbation, whatever their weight.
    BatchNorm's averages are those of the perturbed pass, as in the published code.

    Args:
        strategy: the strategy that makes the views and the loss.
        gamma: size of the perturbation relative to the norm of a kernel, > 0; published
            are 0.01, and 0.005 with `TRADESTraining`.

    Raises:
        ValueError: `strategy` is none or another `AWPTraining`, `gamma` is not
            positive; on building the model, several replicas, or no kernel to perturb.

    References:
        Wu et al., arXiv:2004.05884, equations 7 and 8 and algorithm 1.
    """

    strategy: Strategy
    gamma: float = 0.01

    def __post_init__(self):
        inner = self.strategy
        if not isinstance(inner, Strategy) or isinstance(inner, AWPTraining):
            raise ValueError(
                "`strategy` must be a strategy without perturbed weights. Received: "
                f"strategy={inner!r}. Pass an instance such as "
                "training.PGDTraining(keras_mpat.Linf('8/255'))."
            )
        check_positive("gamma", self.gamma, "share of a kernel's norm", "Usual: 0.01.")

    @property
    def updates_per_batch(self):  # type: ignore[override]
        """Those of the inner strategy."""
        return self.strategy.updates_per_batch

    @property
    def joint_forward(self):  # type: ignore[override]
        """That of the inner strategy."""
        return self.strategy.joint_forward

    @property
    def threat_model(self):  # type: ignore[override]
        """That of the inner strategy."""
        return self.strategy.threat_model

    @property
    def constants(self):  # type: ignore[override]
        """Those of the inner strategy, and the kernels."""
        return (*self.strategy.constants, _VIEW)

    @property
    def logged(self):  # type: ignore[override]
        """Those of the inner strategy."""
        return self.strategy.logged

    def build(self, model):
        if replicas.count() > 1:
            raise ValueError(
                "`strategy` AWPTraining cannot move weights inside a replica. "
                f"Received: {replicas.count()} replicas. Train on one device, or "
                f"without it: {type(self.strategy).__name__}."
            )
        if not _kernels(model):
            raise ValueError(
                "`classifier` must have kernels that are trained for AWPTraining. "
                f"Received: {model.classifier.name!r}, without any. Set trainable=True."
            )
        return self.strategy.build(model)

    def perturb(self, model, x, y):
        views = self.strategy.perturb(model, x, y)

        def loss():
            outputs = model(views, training=True)
            return model.compute_loss(None, y, outputs)

        kernels = _kernels(model)
        others, counters = model.variables, model.metrics_variables
        gradients = weight_gradients(loss, kernels, others, counters)
        return {**views, _VIEW: list(map(self._moved, kernels, gradients))}

    def _moved(self, kernel, gradient):
        """(the kernel, the kernel moved up its gradient)."""
        kernel = ops.copy(kernel.value)
        length = _norm(gradient)
        size = self.gamma * _norm(kernel) / ops.where(length > 0, length, 1.0)
        return kernel, kernel + size * gradient

    def connect(self, model, views):
        views = self.strategy.connect(model, views)
        for kernel, (own, moved) in _pairs(model, views):
            # A sum: on JAX the gradient goes through it to the kernel as it is.
            kernel.assign(kernel + (moved - own))
        return views

    def loss(self, model, y, outputs, sample_weight):
        for kernel, (own, _) in _pairs(model, outputs):
            kernel.assign(own)
        return self.strategy.loss(model, y, outputs, sample_weight)

    def after_update(self, model, x, views):
        self.strategy.after_update(model, x, views)

    def check_batch(self, size):
        self.strategy.check_batch(size)

    def check_optimizer(self, optimizer):
        self.strategy.check_optimizer(optimizer)

    def begin_epoch(self, model, epoch, steps):
        self.strategy.begin_epoch(model, epoch, steps)


def _kernels(model) -> list:
    """The trained kernels of the classifier."""
    weights = model.classifier.trainable_variables
    return [weight for weight in weights if weight.name.endswith("kernel")]


def _norm(values):
    return ops.sqrt(ops.sum(ops.square(values)))


def _pairs(model, views):
    """(kernel, its values), where the views hold them: not while they are sought."""
    return zip(_kernels(model), views[_VIEW], strict=True) if _VIEW in views else ()
