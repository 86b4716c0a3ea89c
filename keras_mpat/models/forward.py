"""The classifier as a function for attacks, and the norm of its kernels."""

import keras
from keras import ops


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
    return 0.5 * sum(kernels)
