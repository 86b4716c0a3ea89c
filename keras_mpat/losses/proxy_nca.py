"""Proxy-NCA: an example should be nearer to the proxy of its class than to all others.

Shapes: B examples, C classes with one proxy each.

References:
    Movshovitz-Attias et al., "No Fuss Distance Metric Learning using Proxies",
    arXiv:1703.07464, equation 4.
"""

import keras
from keras import ops

from keras_mpat.configurable import check_switch
from keras_mpat.losses.masked import masked_logsumexp
from keras_mpat.objectives import class_ids


def proxy_nca(similarities, labels, *, include_positive=True):
    """-log(exp(s_y) / sum_z exp(s_z)) per example.

    Args:
        similarities: (B, C), minus scaled squared distances to the proxies.
        labels: (B,) integers.
        include_positive: whether z runs over all classes, so that the loss is a
            cross-entropy >= 0, or over the others only, as the paper writes it. The
            latter never saturates: for two classes it is the difference of the two
            distances.

    Returns:
        (B,); below 0 is possible without the positive.
    """
    similarities = ops.cast(similarities, "float32")
    own = ops.one_hot(labels, similarities.shape[-1], dtype="float32")
    rivals = ops.logical_or(own == 0.0, include_positive)
    total = masked_logsumexp(similarities, rivals, axis=-1)
    return total - ops.sum(own * similarities, axis=-1)


@keras.saving.register_keras_serializable("keras_mpat")
class ProxyNCA(keras.losses.Loss):
    """Proxy-NCA on the similarities that a `ProxyNCAHead` gives.

    Use it with the head as the last layer; `AdversarialModel` does all of this for its
    `head`.

    Args:
        include_positive: whether the denominator has the class of the example, too;
            default True, as in the public codes. False: the paper's form.
        reduction, name, dtype: as in `keras.losses.Loss`.

    Call arguments:
        y_true: labels (B,), (B, 1) or one-hot (B, C).
        y_pred: similarities (B, C), the output of the head.

    Raises:
        ValueError: an `include_positive` that is not boolean.

    References:
        Movshovitz-Attias et al., arXiv:1703.07464, equation 4.
    """

    def __init__(
        self,
        include_positive=True,
        reduction="sum_over_batch_size",
        name="proxy_nca",
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        fix = "False is the paper's form."
        check_switch("include_positive", include_positive, fix)
        self.include_positive = include_positive

    def call(self, y_true, y_pred):
        labels = class_ids(y_true, y_pred.shape[-1])  # Keras casts labels to float
        return proxy_nca(y_pred, labels, include_positive=self.include_positive)

    def get_config(self):
        return {**super().get_config(), "include_positive": self.include_positive}
