"""ATLD's discriminator: tells logits of natural images from those of attacked ones.

It is trained by an optimizer of its own, so its weights are not trainable for Keras:
the optimizer of the classifier leaves them alone, and they are saved with the model.
"""

import keras
from keras import ops

from keras_mpat.configurable import check_count, check_widths

_MOMENTUM, _EPSILON = 0.9, 1e-5


@keras.saving.register_keras_serializable("keras_mpat")
class Discriminator(keras.layers.Layer):
    """A residual network on logits with two answers.

    The published one is a WideResNet-28-5 on logits seen as an image of 1 x 1 pixels.
    There each 3 x 3 convolution is its middle tap, so this is the same function with
    dense layers: per block BatchNorm, ReLU, dense, twice, beside a shortcut.

    Args:
        num_classes: C, >= 2.
        widths: of the groups, ints >= 1; 16 units stand in front of them.
        blocks: residual blocks per group, >= 1; 4 in a WideResNet-28.
        seed: of its first weights.
        name, dtype: as in `keras.layers.Layer`.

    Call arguments:
        logits: (B, C).
        training: whether BatchNorm uses the statistics of the batch, and moves its
            averages if `update` says so.
        update: whether averages may move.

    Output: (natural (B,), classes (B, C)): logits of "these are logits of a natural
        image", and of the class, as in AC-GAN.

    Raises:
        ValueError: a number below 1, or no widths.

    References:
        Qian et al. (ATLD), arXiv:2107.04401, section 3, and its published code.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        widths=(80, 160, 320),
        blocks: int = 4,
        seed: int = 0,
        **kwargs,
    ):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        check_count("num_classes", num_classes, "Two classes are 2.", minimum=2)
        check_size(widths, blocks)
        self.num_classes = num_classes
        self.widths = tuple(widths)
        self.blocks = blocks
        self.seed = seed

    def build(self, input_shape):
        self._kernels = {}
        self.learned = []  # what its optimizer moves
        size = self._dense("stem", self.num_classes, 16, bias=False)
        for group, width in enumerate(self.widths):
            for block in range(self.blocks):
                name = f"group{group}_block{block}"
                if size != width:
                    self._dense(f"{name}_shortcut", size, width, bias=False)
                self._norm(f"{name}_norm0", size)
                self._dense(f"{name}_dense0", size, width, bias=False)
                self._norm(f"{name}_norm1", width)
                size = self._dense(f"{name}_dense1", width, width, bias=False)
        self._norm("last_norm", size)
        self._dense("natural", size, 1)
        self._dense("classes", size, self.num_classes)

    def call(self, logits, training=False, update=True):
        def norm(name, x):
            return self._normalized(name, x, training, update)

        x = self._applied("stem", ops.cast(logits, "float32"))
        for group in range(len(self.widths)):
            for block in range(self.blocks):
                name = f"group{group}_block{block}"
                first = ops.relu(norm(f"{name}_norm0", x))
                if f"{name}_shortcut" in self._kernels:  # of the activated input
                    x = self._applied(f"{name}_shortcut", first)
                inner = self._applied(f"{name}_dense0", first)
                inner = ops.relu(norm(f"{name}_norm1", inner))
                x = x + self._applied(f"{name}_dense1", inner)
        x = ops.relu(norm("last_norm", x))
        return self._applied("natural", x)[:, 0], self._applied("classes", x)

    def compute_output_shape(self, input_shape):
        return (input_shape[0],), (input_shape[0], self.num_classes)

    def get_config(self):
        own = {"num_classes": self.num_classes, "widths": list(self.widths)}
        own |= {"blocks": self.blocks, "seed": self.seed}
        return super().get_config() | own

    def _weight(self, name: str, shape, initializer, *, learned: bool = True):
        weight = self.add_weight(
            name=name, shape=shape, initializer=initializer, trainable=False
        )
        if learned:
            self.learned.append(weight)
        return weight

    def _dense(self, name: str, size: int, units: int, *, bias: bool = True) -> int:
        seed = 1000 * self.seed + len(self._kernels)
        first = keras.initializers.HeNormal(seed=seed)
        kernel = self._weight(f"{name}_kernel", (size, units), first)
        offset = self._weight(f"{name}_bias", (units,), "zeros") if bias else None
        self._kernels[name] = (kernel, offset)
        return units

    def _norm(self, name: str, size: int) -> None:
        self._kernels[name] = (
            self._weight(f"{name}_gamma", (size,), "ones"),
            self._weight(f"{name}_beta", (size,), "zeros"),
            self._weight(f"{name}_mean", (size,), "zeros", learned=False),
            self._weight(f"{name}_variance", (size,), "ones", learned=False),
        )

    def _applied(self, name: str, x):
        kernel, offset = self._kernels[name]
        x = ops.matmul(x, kernel)
        return x if offset is None else x + offset

    def _normalized(self, name: str, x, training: bool, update: bool):
        gamma, beta, mean, variance = self._kernels[name]
        now, spread = mean, variance
        if training:
            now, spread = ops.mean(x, axis=0), ops.var(x, axis=0)
            if update:
                for average, value in ((mean, now), (variance, spread)):
                    average.assign(_MOMENTUM * average + (1 - _MOMENTUM) * value)
        return (x - now) * ops.rsqrt(spread + _EPSILON) * gamma + beta


def check_size(widths, blocks) -> None:
    """Raises unless these are widths of groups and a number of blocks."""
    check_count("blocks", blocks, "A WideResNet-28 has blocks=4.")
    fix = "Published: widths=(80, 160, 320)."
    check_widths("widths", widths, "groups (units)", fix)
