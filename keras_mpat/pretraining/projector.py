"""The projector: a small MLP between the embedding and NT-Xent, thrown away after."""

import keras
from keras import layers

from keras_mpat.configurable import check_widths
from keras_mpat.models import _graph as graph


def with_projector(encoder, widths, *, batch_norm: bool):
    """The encoder with a projector behind it, as one flat model.

    With `batch_norm` (ACL): Dense, BatchNormalization and ReLU, the last without ReLU,
    only the first with a bias. Without (RoCL): Dense and ReLU, the last without ReLU.

    Args:
        encoder: functional model, images -> embeddings (B, D).
        widths: ints >= 1, units of the layers.
        batch_norm: see above; momentum 0.9 and epsilon 1e-5, as in PyTorch.

    Returns:
        Functional model, images -> projections (B, widths[-1]).

    Raises:
        ValueError: no layer, or a width below 1.
    """
    fix = "RoCL uses (2048, 128), ACL three times D."
    check_widths("projection", widths, "layers", fix)
    x = encoder.outputs[0]
    for number, width in enumerate(widths, start=1):

        def named(kind, number=number):
            return graph.unique_name(encoder, f"projection{number}_{kind}")

        bias = not batch_norm or number == 1
        x = layers.Dense(width, use_bias=bias, name=named("dense"))(x)
        if batch_norm:
            x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=named("bn"))(
                x
            )
        if number < len(widths):
            x = layers.ReLU(name=named("relu"))(x)
    return keras.Model(encoder.inputs[0], x, name="projections")
