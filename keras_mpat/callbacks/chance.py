"""Whether a SoftTriple head tells the classes apart better than chance.

On features that say nothing of the classes, its loss sinks to that of equal
similarities, and the regulariser alone moves the prototypes: all of a class towards
one point. How many of them lie apart then says nothing of the data.
"""

import math

from keras import ops

from keras_mpat.models.adversarial_model import AdversarialModel

# As for the alarm of `fit`. On features without information (cosines 0.88, two classes)
# 390 steps end at 1.00 of chance; with class means six degrees apart, at 0.69.
_SHARE = 0.95


def at_chance(model, head, logs) -> bool:
    """Whether the cross-entropy of the head in an epoch was that of guessing.

    Args:
        model: an `AdversarialModel`, or a model that ends in the head.
        head: its `SoftTripleHead`.
        logs: of the epoch; without a loss, the answer is no.
    """
    loss = (logs or {}).get("head_loss", (logs or {}).get("loss"))
    if loss is None:
        return False
    loss -= float(head.regularization())
    classes = head.num_classes
    # Equal similarities, of which the margin is taken from the true class.
    chance = math.log1p((classes - 1) * math.exp(head.scale * head.margin))
    if isinstance(model, AdversarialModel):  # which knows weights and shares of classes
        weight = model.collapse.mean_weight()
        chance = weight * (chance - math.log(classes)) + model.collapse.entropy()
    else:
        loss -= _weight_penalties(model)
    return bool(loss > _SHARE * chance)


def _weight_penalties(model) -> float:
    """The regularizers of the weights, which Keras adds to the logged loss."""
    weights = [w for w in model.trainable_variables if w.regularizer is not None]
    return sum(float(ops.sum(weight.regularizer(weight))) for weight in weights)
