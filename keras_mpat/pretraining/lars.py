"""LARS: a learning rate for each tensor, in proportion to its own length.

rate = keras.optimizers.schedules.CosineDecay(
    0.0, 900 * steps, warmup_target=5.0, warmup_steps=100 * steps
)
optimizer = LARS(rate)
"""

import keras
from keras import ops

from keras_mpat.configurable import check_not_negative, check_positive


@keras.saving.register_keras_serializable("keras_mpat")
class LARS(keras.optimizers.Optimizer):
    """Momentum SGD whose step is a fixed share of the length of each tensor.

    For large batches, as in contrastive learning. With the gradient g of a tensor w,

        ratio = trust |w| / (|g| + decay |w|)
        v <- momentum v + learning_rate ratio (g + decay w),    w <- w - v.

    Where w or g is zero, as a bias at first, the ratio is 1, as in the published code
    of ACL and RoCL.

    Args:
        learning_rate: a float > 0, or a schedule; its unit is shares of |w| / trust.
            Default 5, that of ACL for batches of 512.
        momentum: in [0, 1). Default 0.9.
        decay: beta, weight decay inside the ratio, >= 0. Default 1e-6. Keras' own
            `weight_decay` is another one, outside of it, and off.
        trust: eta > 0. Default 0.001.
        exclude: ends of names, such as ("bias", "gamma", "beta"), of tensors that take
            plain steps of momentum SGD without decay, as in SimCLR. Default none, as
            in ACL.
        name, kwargs: as in `keras.optimizers.Optimizer`.

    Raises:
        ValueError: a value outside its range.

    References:
        You et al., arXiv:1708.03888, algorithm 1.
    """

    def __init__(
        self,
        learning_rate=5.0,
        *,
        momentum=0.9,
        decay=1e-6,
        trust=1e-3,
        exclude=(),
        name="lars",
        **kwargs,
    ):
        check_not_negative("momentum", momentum, "a factor", "The usual value is 0.9.")
        if momentum >= 1:
            raise ValueError(
                "`momentum` must be below 1 (a factor). Received: "
                f"momentum={momentum}. The usual value is 0.9."
            )
        check_not_negative("decay", decay, "a factor", "ACL and RoCL use 1e-6.")
        check_positive("trust", trust, "a factor", "The paper uses 0.001.")
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.momentum = momentum
        self.decay = decay
        self.trust = trust
        self.exclude = tuple(exclude)

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.velocities = self.add_optimizer_variables(variables, "velocity")
        ends = self.exclude or ("\0",)  # which no name ends with
        self._plain = [variable.name.endswith(ends) for variable in variables]

    def update_step(self, gradient, variable, learning_rate):
        """v and w of one tensor."""
        index = self._get_variable_index(variable)
        velocity = self.velocities[index]
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        if not self._plain[index]:
            size, slope = _length(variable), _length(gradient)
            ratio = self.trust * size / (slope + self.decay * size + 1e-30)
            moving = ops.logical_and(size > 0, slope > 0)
            rate = rate * ops.cast(ops.where(moving, ratio, 1.0), variable.dtype)
            gradient = gradient + self.decay * ops.convert_to_tensor(variable)
        moved = self.momentum * ops.convert_to_tensor(velocity) + rate * gradient
        self.assign(velocity, moved)
        self.assign_sub(variable, moved)

    def get_config(self):
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "decay": self.decay,
            "trust": self.trust,
            "exclude": list(self.exclude),
        }


def _length(tensor):
    return ops.sqrt(ops.sum(ops.square(ops.cast(tensor, "float32"))))
