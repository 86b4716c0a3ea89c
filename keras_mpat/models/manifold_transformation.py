"""ATLD's inference: an input is moved towards what the discriminator calls natural.

model = InferenceManifoldTransformation(adversarial_model)          # ATLD
model = InferenceManifoldTransformation(adversarial_model, adaptive=True)   # ATLD+

A defence that computes a gradient for each prediction is *dynamic*: an attack that does
not go through it, and is only judged behind it, overrates it. Attacks on this model do
go through: the shift counts as a constant in their gradient.
"""

import keras
from keras import ops

from keras_mpat import backend
from keras_mpat.configurable import check_positive, check_switch
from keras_mpat.losses.linearized import linearized
from keras_mpat.models.adversarial_model import AdversarialModel

_UNSURE = (0.3, 0.7)  # probabilities between which ATLD+ takes half a step


@keras.saving.register_keras_serializable("keras_mpat")
class InferenceManifoldTransformation(keras.Model):
    """Predicts logits of x after a step, down the steepest way of "is not natural".

    In the Linf ball of the publication that is x - step * sign of the gradient.

    Args:
        model: an `AdversarialModel` trained with `ATLDTraining`.
        step_size: length of the step in the units of epsilon, or a string such as
            "8/255"; `None`: epsilon, as published.
        adaptive: half the step where the discriminator's probability of "natural" lies
            between 0.3 and 0.7 (ATLD+).

    Input shape: that of the model. Output shape: (B, C) logits. Everything is in
    inference mode; inputs stay inside the box of the threat model, but together with an
    attack they may lie two epsilon from the clean image.

    Raises:
        ValueError: a model without a discriminator, or a step that is not positive.

    References:
        Qian et al. (ATLD), arXiv:2107.04401, section 3.4.
    """

    dynamic_inference = True

    def __init__(self, model, *, step_size=None, adaptive: bool = False, **kwargs):
        super().__init__(dtype="float32", **kwargs)
        found = isinstance(model, AdversarialModel) and model.strategy_state.get(
            "discriminator"
        )
        if not found:
            raise ValueError(
                "`model` must be an AdversarialModel with a discriminator. Received: "
                f"{type(model).__name__}. Train it with training.ATLDTraining."
            )
        check_switch("adaptive", adaptive)
        ball = model.strategy.threat_model
        length = ball.radius
        if step_size is not None:
            length = ball.length(step_size, "step_size")
            check_positive("step_size", length, "a length", "Published: epsilon.")
        self._length = length
        self.inner = model
        self.step_size = step_size
        self.adaptive = adaptive
        self.build((None, *model.example_shape))

    def build(self, input_shape):
        """Nothing: the model inside has its weights."""
        self.built = True

    def call(self, x, training=False):
        return self.inner.classifier(self.transformed(x), training=False)

    def transformed(self, x):
        """The inputs (B, ...) that are predicted in place of x."""
        x = ops.cast(x, "float32")
        ball = self.inner.strategy.threat_model
        discriminator = self.inner.strategy_state["discriminator"]

        def objective(logits):
            told, _ = discriminator(logits)
            return -ops.softplus(-told), told

        def natural(z):
            return linearized(self.inner.classifier(z, training=False), objective)

        gradient, _, told = backend.input_gradient(natural, x)
        length = self._length
        if self.adaptive:
            share = share_of_step(ops.sigmoid(told))
            length = length * ops.reshape(share, (-1,) + (1,) * (len(x.shape) - 1))
        return ball.box(x + ops.stop_gradient(length * ball.steepest(gradient)))

    def get_config(self):
        return {
            **super().get_config(),
            "model": keras.saving.serialize_keras_object(self.inner),
            "step_size": self.step_size,
            "adaptive": self.adaptive,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        inner = keras.saving.deserialize_keras_object(
            config.pop("model"), custom_objects=custom_objects
        )
        config.pop("trainable", None)
        config.pop("dtype", None)
        return cls(inner, **config)


def share_of_step(probability):
    """Half a step where the discriminator is unsure, (B,), else a whole one."""
    low, high = _UNSURE
    unsure = ops.logical_and(probability > low, probability < high)
    return ops.where(unsure, 0.5, 1.0)
