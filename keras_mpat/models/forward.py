"""A classifier seen as logits: for attacks, for logs, and the norm of its kernels."""

import keras
from keras import ops

from keras_mpat.models import _graph as graph
from keras_mpat.models import subclassed
from keras_mpat.models.as_logits import as_logits, ends_in_linear


def logits_fn(model, norm_mode: str):
    """The classifier of an `AdversarialModel` as x -> logits, see `NORM_MODES`."""
    if norm_mode == "train":
        return lambda x: model.classifier(x, training=True)
    if norm_mode == "eval":
        return lambda x: model.classifier(x, training=False)

    def batch_stats(x):
        current = [(variable, variable.value) for variable in model.variables]
        with keras.StatelessScope(state_mapping=current):
            return model.classifier(x, training=True)

    return batch_stats


def kernel_norm(classifier):
    """Half the sum of squares of the convolution and dense kernels in training."""
    kernels = [
        ops.sum(ops.square(ops.cast(variable, "float32")))
        for variable in classifier.trainable_variables
        if variable.name.endswith("kernel")
    ]
    return 0.5 * sum(kernels, ops.zeros(()))


def random_states(classifier) -> list:
    """States of random numbers (dropout's), which are no weights."""
    known = [*classifier.weights, *classifier.metrics_variables]
    known = {id(variable) for variable in known}
    return [v for v in classifier.variables if id(v) not in known]


def main_view(outputs: dict):
    """(logits, embedding) that logs and norms are about: adversarial, or the first."""
    if "adversarial" in outputs:
        return outputs["adversarial"]
    return next(iter(outputs.values()))


def with_logits(classifier):
    """The classifier, or its twin without softmax; subclassed ones are left alone.

    Where the graph does not show that the result ends in logits (a `Lambda`, a layer
    of the user's own), two inputs are tried.

    Raises:
        ValueError: it ends in a sigmoid, or returns probabilities.
    """
    if graph.is_readable(classifier):
        classifier = as_logits(classifier)
    if not ends_in_linear(classifier):
        subclassed.check_logits(classifier)
    return classifier
