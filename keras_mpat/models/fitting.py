"""`compile` and `fit` of `AdversarialModel`: Keras' own, with questions asked first."""

import keras

from keras_mpat import backend
from keras_mpat.models import checks
from keras_mpat.models.data_checks import check_data
from keras_mpat.models.epoch_monitor import EpochMonitor


class Fitting:
    """Mixin in front of `keras.Model`."""

    def compile(self, optimizer="rmsprop", loss=None, *, jit_compile="auto", **kwargs):
        """As `keras.Model.compile`; `loss=None` is cross-entropy from logits.

        `jit_compile="auto"` is XLA on an accelerator and a plain graph on a CPU, where
        XLA runs the loop of an attack several times slower.
        """
        if loss is None:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        checks.check_loss(loss)
        optimizer = keras.optimizers.get(optimizer)
        self.strategy.check_optimizer(_inner(optimizer))
        if self.classifier.dtype_policy.name == "mixed_float16":
            optimizer = _with_loss_scaling(optimizer)
        self.requested_jit = jit_compile
        if jit_compile == "auto" and backend.NAME == "tensorflow":
            jit_compile = backend.has_accelerator()
        super().compile(optimizer, loss, jit_compile=jit_compile, **kwargs)

    def get_compile_config(self):
        config = super().get_compile_config()
        if config:  # "auto" again, for the machine that loads it
            config["jit_compile"] = self.requested_jit
        return config

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        self.optimizer.build(self.trainable_variables)

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        verbose="auto",
        callbacks=None,
        **kwargs,
    ):
        """As `keras.Model.fit`; checks the data and runs the strategy's schedule."""
        check_data(x, y, self, batch_size=batch_size)
        validation = kwargs.get("validation_data")
        if not isinstance(validation, (tuple, list)):
            validation = (validation, None)
        check_data(*validation[:2], self, training=False)
        if backend.is_pipeline(x) or isinstance(x, keras.utils.PyDataset):
            # Both order themselves. Of the one Keras warns of True, of the other it
            # permutes the batches by a global random state that no run can resume.
            kwargs.setdefault("shuffle", False)
        callbacks = callbacks if callbacks is not None else []
        if not isinstance(callbacks, (list, tuple)):
            callbacks = [callbacks]
        return super().fit(
            x,
            y,
            batch_size=batch_size,
            epochs=epochs,
            verbose=verbose,
            callbacks=[EpochMonitor(), *callbacks],
            **kwargs,
        )

    def evaluate(self, x=None, y=None, **kwargs):
        """As `keras.Model.evaluate`, with `robust_accuracy`; checks the data."""
        check_data(x, y, self, training=False)
        return super().evaluate(x, y, **kwargs)


def _with_loss_scaling(optimizer):
    # Keras does this for models whose own policy is mixed; ours is float32.
    if _inner(optimizer) is not optimizer:
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer)


def _inner(optimizer):
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer.inner_optimizer
    return optimizer
