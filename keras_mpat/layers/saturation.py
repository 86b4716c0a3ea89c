"""An input layer that cuts off at both ends, and lets gradients through."""

import keras
from keras import ops

from keras_mpat.configurable import numbers


@keras.saving.register_keras_serializable("keras_mpat")
class Saturation(keras.layers.Layer):
    """clip((x - low) / (high - low), 0, 1), with the gradient of the line everywhere.

    In front of a net for images that are nearly black and white it takes away what an
    adversary may add to black and to white: the ball of 0.3 around 0 and 1 is one point
    behind low = 0.31 and high = 0.69. The same function without its gradient makes a
    net look robust to whatever follows gradients; so train and attack through this
    layer, and save the net with `plain` ones. The audit (C37) tells nets that do not.

    Args:
        low, high: inputs that become 0 and 1; low < high.
        name, dtype: as in `keras.layers.Layer`.

    Input and output shape: (B, ...).

    Raises:
        ValueError: ends that are not ordered.

    References:
        The straight-through gradient: Bengio et al., arXiv:1308.3432; in attacks:
        Athalye et al., arXiv:1802.00420, section 4.1.1.
    """

    def __init__(self, low: float, high: float, **kwargs):
        super().__init__(**kwargs)
        ends = numbers([low, high])
        if ends.shape != (2,) or not ends[0] < ends[1]:
            raise ValueError(
                "`low` must be a number below `high` (input units). Received: "
                f"low={low!r}, high={high!r}. For MNIST at 0.3 pass 0.31 and 0.69."
            )
        self.low, self.high = float(low), float(high)

    def call(self, x):
        line = (x - self.low) / (self.high - self.low)
        # The sum is exact: outside the ends, too, it is 0 and 1 to the last digit.
        slope = line - ops.stop_gradient(line)
        return ops.stop_gradient(ops.clip(line, 0.0, 1.0)) + slope

    def plain(self) -> list[keras.layers.Layer]:
        """Layers of Keras with the same outputs, and gradients that are 0 outside."""
        scale = 1.0 / (self.high - self.low)
        return [
            keras.layers.Rescaling(scale, offset=-self.low * scale),
            keras.layers.ReLU(max_value=1.0),
        ]

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "low": self.low, "high": self.high}
