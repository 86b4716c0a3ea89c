"""`compile` and `fit` of pretraining: Keras' own, with questions asked first."""

import types

import keras
import numpy as np
from keras import ops

from keras_mpat import backend, pipelines
from keras_mpat.configurable import check_count
from keras_mpat.input_checks import check_inputs, check_scale
from keras_mpat.models import array_batches
from keras_mpat.models.checks import known_to_keras
from keras_mpat.models.compiling import Compiling
from keras_mpat.models.fitting import listed
from keras_mpat.models.keeping import held
from keras_mpat.pretraining.lars import LARS

_UNUSED = ("loss", "loss_weights", "metrics", "weighted_metrics")
_WEIGHTS = ("sample_weight", "class_weight")


class Fitting(Compiling):
    """Mixin in front of `keras.Model`."""

    def compile(self, optimizer=None, loss=None, *, jit_compile="auto", **kwargs):
        """As `keras.Model.compile`; `optimizer=None` is LARS at a constant rate.

        `jit_compile="auto"` is XLA on an accelerator and a plain graph on a CPU.
        """
        _refuse({"loss": loss, **kwargs}, _UNUSED, "the loss is NT-Xent")
        if optimizer is None:
            optimizer = LARS(self.learning_rate)
        optimizer = known_to_keras(
            "optimizer", keras.optimizers, optimizer, "Pass pretraining.LARS()."
        )
        half = self.classifier.dtype_policy.name == "mixed_float16"
        if half and not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        self.requested_jit = jit_compile
        if jit_compile == "auto" and backend.NAME == "tensorflow":
            jit_compile = backend.has_accelerator()
        super().compile(optimizer, jit_compile=jit_compile, **kwargs)

    def fit(self, x=None, y=None, batch_size=None, epochs=1, **kwargs):
        """As `keras.Model.fit`, on images alone: labels `y` are ignored."""
        _refuse(kwargs, _WEIGHTS, "all images count alike")
        if not self.encoder.trainable_weights:
            raise ValueError(
                "`classifier` must have an encoder that can be trained. Received: "
                f"name={self.classifier.name!r}, of which nothing before the last "
                "layer is trainable. Set classifier.trainable = True."
            )
        self._check(x, batch_size)
        data = kwargs.get("validation_data")
        if isinstance(data, np.ndarray | tuple):
            images = data[0] if isinstance(data, tuple) else data
            size = kwargs.get("validation_batch_size") or batch_size
            try:
                self._check(images, size)
            except ValueError as error:
                raise ValueError(f"`validation_data`: {error}") from None
            steps = kwargs.get("validation_steps")
            kwargs["validation_data"] = array_batches.streamed(images, size, steps)
        if array_batches.are_arrays(x):
            x, order = array_batches.batches(
                x,
                batch_size=batch_size,
                steps=kwargs.get("steps_per_epoch"),
                shuffle=kwargs.pop("shuffle", True),
                seed=self.seed,
            )
            kwargs["callbacks"] = [order, *listed(kwargs.get("callbacks"))]
        if pipelines.is_pipeline(x) or isinstance(x, keras.utils.PyDataset):
            kwargs.setdefault("shuffle", False)  # they order themselves
        with held(self, listed(kwargs.get("callbacks"))):
            return super().fit(x, batch_size=batch_size, epochs=epochs, **kwargs)

    def evaluate(self, x=None, y=None, batch_size=None, **kwargs):
        """As `keras.Model.evaluate`: the loss on fixed views of the images."""
        if not kwargs.get("_use_cached_eval_dataset"):
            self._check(x, batch_size)
            x = array_batches.streamed(x, batch_size, kwargs.get("steps"))
        return super().evaluate(x, batch_size=batch_size, **kwargs)

    def check_images(self, images: np.ndarray) -> None:
        """Raises if images (N, H, W, C_in) do not fit the encoder or the bounds."""
        check_inputs(images, self.threat_model, self.example_shape)
        check_scale(images, self.threat_model)

    def _check(self, x, batch_size) -> None:
        """Raises if images do not fit; of a stream the first batch is looked at."""
        if batch_size is not None:
            fix = "NT-Xent compares images: ACL and RoCL use 512."
            check_count("batch_size", batch_size, fix, minimum=2)
        first = pipelines.first_batch(x)
        if isinstance(x, keras.utils.PyDataset):
            first = x[0]
        images = x if first is None else first
        if isinstance(images, (tuple, list)):
            images = images[0]
        if ops.is_tensor(images):
            images = ops.convert_to_numpy(images)
        if not isinstance(images, np.ndarray):
            if isinstance(x, types.GeneratorType):
                return  # a generator can be read only once
            raise ValueError(
                "`x` must be an array of images or a stream of batches. Received: x "
                f"that is {'None' if x is None else f'a {type(x).__name__}'}. Pass "
                "np.asarray(...), or a stream of x or (x, y)."
            )
        self.check_images(images)
        count = len(images)
        size = batch_size or (32 if first is None else count)
        if count == 1 or count % size == 1:
            raise ValueError(
                "`batch_size` must not leave a batch of one image, which NT-Xent can "
                f"compare with nothing. Received: {count} images in batches of {size}. "
                "Leave an image out, or pass another batch_size."
            )


def _refuse(kwargs: dict, names: tuple, reason: str) -> None:
    for name in names:
        if kwargs.get(name) is not None:
            raise ValueError(
                f"`{name}` has no effect in pretraining: {reason}. Received: "
                f"{name}={kwargs[name]!r}. Leave it out."
            )
