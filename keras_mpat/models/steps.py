"""One training step: Keras' own step on the views of the batch, on each backend.

TensorFlow writes to variables; JAX passes them as state, so the same two calls run in a
`StatelessScope` there. This is the only file that knows the difference.
"""

import keras
from keras import ops

from keras_mpat import backend, noise, replicas
from keras_mpat.metrics import WorstClassAccuracy
from keras_mpat.models.data_checks import violations, with_known_labels
from keras_mpat.objectives import Margin, class_ids


class _Validation:
    """What the test steps of all backends share."""

    def build_robust_metrics(self):
        """Creates what the validation attack reports: {name in the logs: metric}."""
        if self.validation_attack is None:
            return {}
        worst = WorstClassAccuracy(self.num_classes, name="worst_class_robust_accuracy")
        mean = keras.metrics.Mean(name="robust_accuracy")
        return {metric.name: metric for metric in (mean, worst)}

    def attack_validation_batch(self, data):
        """Attacks a validation batch and returns the logs with `robust_accuracy`."""
        x, y, _ = self._unpack(data)  # metrics=["accuracy"] ignores weights, too
        labels = class_ids(y, self.num_classes)
        logits_fn = self.logits_fn()
        # Examples seen so far: each has noise of its own, whatever the batch size and
        # however many replicas there are.
        mean, worst_class = self.robust_metrics.values()
        seen = ops.cast(mean.count, "int32")
        rows = seen * replicas.count() + noise.places(ops.shape(x)[0])
        keys = noise.of_indices(self.seed, rows)
        x_adv = self.validation_attack(logits_fn, x, labels, keys)
        wrong = ops.logical_or(
            Margin().fooled(labels, logits_fn(x)),  # wrong before counts as not robust
            Margin().fooled(labels, logits_fn(x_adv)),
        )
        mean.update_state(1.0 - ops.cast(wrong, "float32"))
        worst_class.count(labels, ops.logical_not(wrong))
        logs = self.get_metrics_result()
        hidden = {self.ce_tracker.name, self.head_tracker.name, *self.strategy.logged}
        return {name: value for name, value in logs.items() if name not in hidden}

    def _unpack(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        return ops.cast(x, "float32"), y, sample_weight

    def end_batch(self, x, y) -> None:
        """Tells the head that a batch of data is over."""
        if self.head is not None and self.head_weight > 0:
            self.head.after_batch(x, class_ids(y, self.num_classes))

    def _count_violations(self, x, y):
        count = violations(x, y, self)
        self.violations.assign(self.violations + count)


class TensorFlowSteps(_Validation):
    """Steps for backends whose variables can be written (TensorFlow, torch)."""

    def train_step(self, data):
        """Replaces the batch by its views and lets Keras make the update."""
        x, y, sample_weight = self._unpack(data)
        self._count_violations(x, y)
        y = with_known_labels(y, self.num_classes)
        with backend.xla(self.jit_compile):
            for left in reversed(range(self.strategy.updates_per_batch)):
                before = [(v, ops.copy(v.value)) for v in self.metrics_variables]
                self.logging = not left  # a batch counts once, with its last update
                views = self.perturb(x, y)
                logs = super().train_step((views, y, sample_weight))
                self.strategy.after_update(self, x, views)
                for variable, value in before if left else ():
                    variable.assign(value)
            self.end_batch(x, y)
        return replicas.averageable(logs)

    def test_step(self, data):
        """Keras' step on clean data, then the validation attack."""
        x, y, sample_weight = self._unpack(data)
        self._count_violations(x, y)
        data = (x, with_known_labels(y, self.num_classes), sample_weight)
        logs = super().test_step(data)
        if self.validation_attack is not None:
            with backend.xla(self.jit_compile):
                logs = self.attack_validation_batch(data)
        return replicas.averageable(logs)


class Stateless:
    """Mixin for JAX: calls that write to variables, as functions of their values."""

    def _stateless(self, call, trainable, others):
        mapping = [
            *zip(self.trainable_variables, trainable, strict=True),
            *zip(self.non_trainable_variables, others, strict=True),
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            result = call()
        return (
            result,
            [_current(scope, variable) for variable in self.trainable_variables],
            [_current(scope, variable) for variable in self.non_trainable_variables],
        )


class JaxSteps(Stateless, _Validation):
    """The same steps without side effects."""

    def train_step(self, state, data):
        """Replaces the batch by its views and lets Keras make the update."""
        x, y, sample_weight = self._unpack(data)
        trainable, others, optimizer, metrics = state
        _, trainable, others = self._stateless(
            lambda: self._count_violations(x, y), trainable, others
        )
        y = with_known_labels(y, self.num_classes)
        for left in reversed(range(self.strategy.updates_per_batch)):
            self.logging = not left  # a batch counts once, with its last update
            views, trainable, others = self._stateless(
                lambda y=y: self.perturb(x, y), trainable, others
            )
            logs, state = super().train_step(
                (trainable, others, optimizer, metrics), (views, y, sample_weight)
            )
            trainable, others, optimizer, updated = state
            _, trainable, others = self._stateless(
                lambda views=views: self.strategy.after_update(self, x, views),
                trainable,
                others,
            )
        _, trainable, others = self._stateless(
            lambda: self.end_batch(x, y), trainable, others
        )
        return logs, (trainable, others, optimizer, updated)

    def test_step(self, state, data):
        """Keras' step on clean data, then the validation attack."""
        x, y, sample_weight = self._unpack(data)
        trainable, others, metrics = state
        _, trainable, others = self._stateless(
            lambda: self._count_violations(x, y), trainable, others
        )
        data = (x, with_known_labels(y, self.num_classes), sample_weight)
        logs, state = super().test_step((trainable, others, metrics), data)
        if self.validation_attack is None:
            return logs, state
        trainable, others, metrics = state
        mapping = [
            *zip(self.trainable_variables, trainable, strict=True),
            *zip(self.non_trainable_variables, others, strict=True),
            *zip(self.metrics_variables, metrics, strict=True),
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            logs = self.attack_validation_batch(data)
        metrics = [_current(scope, variable) for variable in self.metrics_variables]
        return logs, (trainable, others, metrics)


def _current(scope, variable):
    value = scope.get_current_value(variable)
    return variable.value if value is None else value


Steps = JaxSteps if backend.NAME == "jax" else TensorFlowSteps
