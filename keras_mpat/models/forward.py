"""A classifier seen as logits and embeddings: for updates, attacks, logs and norms."""

import keras
from keras import ops

from keras_mpat.models import _graph as graph
from keras_mpat.models import subclassed
from keras_mpat.models.as_logits import as_logits, ends_in_linear


def logits_fn(model, norm_mode: str):
    """The classifier of an `AdversarialModel` as x -> logits, see `NORM_MODES`."""
    if norm_mode == "train":
        return lambda x: predictions(model, x, training=True)
    if norm_mode == "eval":
        return lambda x: predictions(model, x, training=False)

    def batch_stats(x):
        current = [(variable, variable.value) for variable in model.variables]
        with keras.StatelessScope(state_mapping=current):
            return predictions(model, x, training=True)

    return batch_stats


def predictions(model, x, training: bool):
    """What `predict` returns: logits (B, C) of the classifier or of the head."""
    if model.predict_from == "linear":
        return model.classifier(x, training=training)
    return scores(model, *both(model, x, training))


def scores(model, logits, embedding):
    """The logits (B, C) that predictions are made of, from both outputs."""
    if model.predict_from == "linear":
        return logits
    return model.head.logits(embedding)


def both(model, x, training: bool):
    """(logits, embedding) of inputs (B, ...) in one forward pass.

    The embedding is `None` where neither head nor norm has asked for one.
    """
    features = model.features
    if features is None:
        return model.classifier(x, training=training), None
    return features(x, training=training)


def of_views(model, views: dict, training: bool) -> dict:
    """(logits, embedding) by view name, one view after the other or as one batch.

    What the strategy calls constant is passed on as it is.
    """
    names = model.strategy.constants
    constants = {name: views[name] for name in names if name in views}
    views = {name: x for name, x in views.items() if name not in constants}
    return _of_inputs(model, views, training) | constants


def _of_inputs(model, views: dict, training: bool) -> dict:
    joint = model.strategy.joint_forward
    if model.head is not None:
        joint = joint or model.head.joint_forward
    if not joint or len(views) == 1:
        return {name: both(model, x, training) for name, x in views.items()}
    together = both(model, ops.concatenate(list(views.values())), training)
    parts = [
        [None] * len(views) if output is None else ops.split(output, len(views))
        for output in together
    ]
    return dict(zip(views, zip(*parts, strict=True), strict=True))


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
