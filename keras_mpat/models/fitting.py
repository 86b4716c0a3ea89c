"""`compile` and `fit` of `AdversarialModel`: Keras' own, with questions asked first."""

import types

import keras
import numpy as np

from keras_mpat import backend, pipelines, replicas
from keras_mpat.models import array_batches, checks
from keras_mpat.models.compiling import Compiling
from keras_mpat.models.data_checks import (
    check_class_weight,
    check_data,
    check_validation,
    label_array,
)
from keras_mpat.models.epoch_monitor import EpochMonitor
from keras_mpat.models.keeping import held
from keras_mpat.models.mode_checks import warn_of_few_examples

_STREAMS = (types.GeneratorType, keras.utils.PyDataset)


class Fitting(Compiling):
    """Mixin in front of `keras.Model`."""

    def compile(self, optimizer="rmsprop", loss=None, *, jit_compile="auto", **kwargs):
        """As `keras.Model.compile`; `loss=None` is cross-entropy from logits.

        `jit_compile="auto"` is XLA on an accelerator and a plain graph on a CPU, where
        XLA runs the loop of an attack several times slower, and under a distribution
        strategy of TensorFlow, whose replicas cannot meet inside XLA.
        """
        if loss is None:
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        checks.check_loss(loss)
        optimizer = checks.known_to_keras(
            "optimizer", keras.optimizers, optimizer, "Pass 'adam', or an instance."
        )
        self.strategy.check_optimizer(_inner(optimizer))
        if self.head is not None:
            self.head.check_optimizer(_inner(optimizer))
        if self.classifier.dtype_policy.name == "mixed_float16":
            optimizer = _with_loss_scaling(optimizer)
        self.requested_jit = jit_compile
        if jit_compile == "auto" and backend.NAME == "tensorflow":
            together = replicas.count() == 1 and not kwargs.get("run_eagerly")
            jit_compile = backend.has_accelerator() and together
        super().compile(optimizer, loss, jit_compile=jit_compile, **kwargs)

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
        """As `keras.Model.fit`; checks the data and runs the strategy's schedule.

        Arrays come in an order that is a function of (seed of the model, epoch).
        """
        checks.check_scope(self)
        weights = kwargs.get("sample_weight")
        check_class_weight(kwargs.get("class_weight"), self.num_classes, weights)
        if "validation_data" in kwargs:
            validation = check_validation(kwargs["validation_data"], self)
            kwargs["validation_data"] = validation
        x = check_data(x, y, self, batch_size=batch_size, weights=weights)
        warn_of_few_examples(self.head, y)
        callbacks = [EpochMonitor(), *listed(callbacks)]
        if array_batches.are_arrays(x, y, weights) and y is not None:
            x, order, kwargs = self._stream(x, y, batch_size, kwargs)
            y, callbacks = None, [order, *callbacks]
        if pipelines.is_pipeline(x) or isinstance(x, _STREAMS):
            # They order themselves. Keras warns of True, or permutes the batches of a
            # PyDataset by a global random state that no run can resume.
            kwargs.setdefault("shuffle", False)
        size = kwargs.get("validation_batch_size") or batch_size
        kwargs["validation_data"] = array_batches.streamed(
            kwargs.get("validation_data"), size, kwargs.get("validation_steps")
        )
        with replicas.in_company(self), held(self, callbacks):
            return super().fit(
                x,
                y,
                batch_size=batch_size,
                epochs=epochs,
                verbose=verbose,
                callbacks=callbacks,
                **kwargs,
            )

    def _stream(self, x, y, batch_size, options):
        """Arrays as a stream, its order, and what is left of the options of `fit`."""
        weights = options.pop("sample_weight", None)
        class_weight = options.pop("class_weight", None)
        share = options.pop("validation_split", None)
        if share and options.get("validation_data") is None:
            (x, y, weights), options["validation_data"] = array_batches.split(
                (x, y, weights), share
            )
        if class_weight:  # of training alone, as Keras has it
            labels = label_array(y, self.num_classes)
            weights = array_batches.example_weights(labels, class_weight)
        stream, order = array_batches.batches(
            *(x, y, weights),
            batch_size=batch_size,
            steps=options.get("steps_per_epoch"),
            shuffle=options.pop("shuffle", True),
            seed=self.seed,
        )
        replicas.check_last_batch(self, order.count, order.batch_size)
        return stream, order, options

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        # Keras would reduce the first batch over the replicas, which TensorFlow cannot
        # where each worker has one (keras-team/keras#20585). Shapes are known here.
        if self._distribute_strategy is not None:
            x = np.zeros((1, *self.example_shape), "float32")
            with self.distribute_strategy.scope():
                self._symbolic_build(data_batch=(x, self.one_label()))

    def one_label(self) -> np.ndarray:
        """A label like those that `fit` has seen last: (1,), (1, 1) or (1, C)."""
        shape, dtype = self.label_form
        return np.zeros((1, *shape), dtype)

    def _get_metrics_result_or_logs(self, logs):
        # Keras returns what the last step has logged where a step does not log every
        # metric; under replicas that is a mean of parts, here it is the whole.
        found = self.get_metrics_result()
        return {name: found.get(name, value) for name, value in logs.items()}

    def evaluate(self, x=None, y=None, **kwargs):
        """As `keras.Model.evaluate`, with `robust_accuracy`; checks the data."""
        if not kwargs.get("_use_cached_eval_dataset"):  # `fit` has checked it
            weights = kwargs.get("sample_weight")
            x = check_data(x, y, self, weights=weights, training=False)
            kwargs["callbacks"] = [EpochMonitor(), *listed(kwargs.get("callbacks"))]
            size, steps = kwargs.get("batch_size"), kwargs.get("steps")
            if y is not None and array_batches.are_arrays(x, y, weights):
                x, y = array_batches.streamed((x, y, weights), size, steps), None
                kwargs.pop("sample_weight", None)
        return super().evaluate(x, y, **kwargs)

    def predict(self, x, batch_size=None, verbose="auto", steps=None, callbacks=None):
        """As `keras.Model.predict`."""
        if array_batches.are_arrays(x):
            x = array_batches.streamed(x, batch_size, steps)
        return super().predict(x, batch_size, verbose, steps, callbacks)

    def train_on_batch(
        self, x, y=None, sample_weight=None, class_weight=None, return_dict=False
    ):
        """As `keras.Model.train_on_batch`; checks the batch."""
        size = None if x is None else max(len(x), 1)
        check_class_weight(class_weight, self.num_classes, sample_weight)
        x = check_data(x, y, self, batch_size=size, weights=sample_weight)
        return super().train_on_batch(x, y, sample_weight, class_weight, return_dict)


def listed(callbacks) -> list:
    """Callbacks as `fit` may get them, one or several or none, as a list."""
    if callbacks is None:
        return []
    if isinstance(callbacks, (list, tuple)):
        return list(callbacks)
    return [callbacks]


def _with_loss_scaling(optimizer):
    # Keras does this for models whose own policy is mixed; ours is float32.
    if _inner(optimizer) is not optimizer:
        return optimizer
    return keras.optimizers.LossScaleOptimizer(optimizer)


def _inner(optimizer):
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return optimizer.inner_optimizer
    return optimizer
