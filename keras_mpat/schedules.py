"""Learning-rate schedules of the published recipes, counted in optimizer steps.

steps = len(train) * epochs
optimizer = keras.optimizers.SGD(CyclicLearningRate(0.001, 0.2, steps), momentum=0.9)
"""

import math

import keras
from keras import ops
from keras.optimizers.schedules import LearningRateSchedule


@keras.saving.register_keras_serializable(package="keras_mpat")
class CyclicLearningRate(LearningRateSchedule):
    """One triangle over the whole run: up to `maximum` at half time and down again.

    The schedule of Fast adversarial training. It moves with every update of the
    optimizer, so with Free adversarial training `total_steps` counts the replays:
    steps per epoch * epochs * replays.

    Args:
        minimum: float >= 0, learning rate at the first step and at the end.
        maximum: float >= `minimum`, learning rate at `total_steps` / 2.
        total_steps: int >= 1, updates of the whole run; later ones stay at `minimum`.

    Raises:
        ValueError: if an argument is outside its range.

    Example:
        >>> [float(CyclicLearningRate(0.0, 0.2, 4)(step)) for step in (0, 1, 2)]
        [0.0, 0.1, 0.2]

    References:
        Wong, Rice, Kolter, arXiv:2001.03994; Smith, arXiv:1506.01186.
    """

    def __init__(self, minimum, maximum, total_steps):
        if minimum < 0:
            raise ValueError(
                "`minimum` must be at least 0 (learning rate). "
                f"Received: minimum={minimum}. The published value is 0.001."
            )
        if maximum < minimum:
            raise ValueError(
                "`maximum` must be at least `minimum` (learning rate). "
                f"Received: minimum={minimum}, maximum={maximum}. Swap them."
            )
        _check_count("total_steps", total_steps, "steps per epoch * epochs")
        self.minimum = minimum
        self.maximum = maximum
        self.total_steps = total_steps

    def __call__(self, step):
        position = ops.cast(step, "float32") / self.total_steps
        position = ops.minimum(position, 1.0)
        height = 1.0 - ops.abs(2.0 * position - 1.0)
        return self.minimum + (self.maximum - self.minimum) * height

    def get_config(self):
        return {
            "minimum": self.minimum,
            "maximum": self.maximum,
            "total_steps": self.total_steps,
        }


@keras.saving.register_keras_serializable(package="keras_mpat")
class StepDecay(LearningRateSchedule):
    """Multiplies the learning rate by `factor` every `drop_every` effective epochs.

    Free adversarial training replays each batch: one pass over the data counts as
    `replays` effective epochs and the drops move forward. With drops every 30 epochs,
    8 replays drop every ceil(30 / 8) = 4 passes and 4 replays every 8.

    Args:
        learning_rate: float > 0, value before the first drop.
        drop_every: int >= 1, effective epochs between two drops.
        steps_per_epoch: int >= 1, batches in one pass over the data.
        factor: float in (0, 1], of each drop. Default 0.1.
        replays: int >= 1, updates on each batch. Default 1; Free's N.

    Raises:
        ValueError: if an argument is outside its range.

    Example:
        >>> rate = StepDecay(0.1, drop_every=30, steps_per_epoch=390)
        >>> [round(float(rate(390 * epoch)), 6) for epoch in (29, 30, 60)]
        [0.1, 0.01, 0.001]

    References:
        Shafahi et al., Adversarial Training for Free, arXiv:1904.12843.
    """

    def __init__(
        self, learning_rate, *, drop_every, steps_per_epoch, factor=0.1, replays=1
    ):
        if learning_rate <= 0:
            raise ValueError(
                "`learning_rate` must be positive. "
                f"Received: learning_rate={learning_rate}. SGD usually starts at 0.1."
            )
        if not 0 < factor <= 1:
            raise ValueError(
                "`factor` must be in (0, 1] (it multiplies the learning rate). "
                f"Received: factor={factor}. To divide by ten pass 0.1."
            )
        _check_count("drop_every", drop_every, "epochs between two drops")
        _check_count("steps_per_epoch", steps_per_epoch, "batches in one epoch")
        _check_count("replays", replays, "1 unless the strategy is Free")
        self.learning_rate = learning_rate
        self.drop_every = drop_every
        self.steps_per_epoch = steps_per_epoch
        self.factor = factor
        self.replays = replays

    def __call__(self, step):
        passes = math.ceil(self.drop_every / self.replays)
        period = passes * self.steps_per_epoch * self.replays
        # Whole numbers: a float quotient may round up just before a boundary.
        drops = ops.floor_divide(ops.cast(step, "int32"), period)
        return self.learning_rate * ops.power(self.factor, ops.cast(drops, "float32"))

    def get_config(self):
        return {
            "learning_rate": self.learning_rate,
            "drop_every": self.drop_every,
            "steps_per_epoch": self.steps_per_epoch,
            "factor": self.factor,
            "replays": self.replays,
        }


def _check_count(name, value, meaning):
    if not isinstance(value, int) or value < 1:
        raise ValueError(
            f"`{name}` must be an int of at least 1. Received: {name}={value!r}. "
            f"Pass int(...) of: {meaning}."
        )
