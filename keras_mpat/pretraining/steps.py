"""One step of pretraining: Keras' own step on the views of the batch, per backend."""

import keras
from keras import ops

from keras_mpat import backend, noise
from keras_mpat.models.steps import Stateless


class _Views:
    """What the steps of all backends share."""

    def views_of(self, data, seed):
        """The views of the images in a batch of data; labels are not looked at."""
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        x = ops.cast(x, "float32")
        return self.perturb(x, noise.keys(seed, ops.shape(x)[0]))


class TensorFlowSteps(_Views):
    """Steps for backends whose variables can be written (TensorFlow, torch)."""

    def train_step(self, data):
        """Replaces the batch by its views and lets Keras make the update."""
        with backend.xla(self.jit_compile):
            views = self.views_of(data, self.seed_generator)
            return super().train_step((views,))

    def test_step(self, data):
        """The same loss on views of which each pass draws the same."""
        with backend.xla(self.jit_compile):
            return super().test_step((self.views_of(data, self.seed),))


class JaxSteps(Stateless, _Views):
    """The same steps without side effects."""

    def train_step(self, state, data):
        """Replaces the batch by its views and lets Keras make the update."""
        trainable, others, optimizer, metrics = state
        views, trainable, others = self._stateless(
            lambda: self.views_of(data, self.seed_generator), trainable, others
        )
        state = (trainable, others, optimizer, metrics)
        return super().train_step(state, (views,))

    def test_step(self, state, data):
        """The same loss on views of which each pass draws the same."""
        trainable, others, metrics = state
        views, trainable, others = self._stateless(
            lambda: self.views_of(data, self.seed), trainable, others
        )
        return super().test_step((trainable, others, metrics), (views,))


Steps = JaxSteps if backend.NAME == "jax" else TensorFlowSteps
