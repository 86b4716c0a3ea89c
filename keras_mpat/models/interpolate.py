"""The way from one classifier's weights to another's, as classifiers.

middle = interpolate(clean, robust, 0.5, name="middle")
"""

import numbers

import keras
import numpy as np
from keras import ops

from keras_mpat.models import checks

_UNKNOWN_SIZE = 32  # pixels of a probe where the input shape leaves the size open


def interpolate(first, second, share: float, *, name: str | None = None):
    """A classifier with the weights (1 - share) * first + share * second.

    Between a clean classifier and the robust one fine-tuned from it lie classifiers
    that trade accuracy for robustness. All weights are mixed, the averages of
    BatchNorm, too; of a net trained from another start they seldom make sense.

    Args:
        first, second: built Keras classifiers of the same architecture.
        share: share of `second`, in [0, 1]; 0 gives the weights of `first`, 1 those
            of `second`, bit for bit.
        name: name of the result; default None, that of `first`.

    Returns:
        A new model of `first`'s architecture, not compiled, without shared weights.

    Raises:
        ValueError: `share` outside [0, 1], weights of different shapes, or constants
            that are no weights (an activation, the mean of a Normalization) of which
            `first` and `second` have different ones.

    References:
        Wortsman et al., arXiv:2109.01903, equation 2.
    """
    for model in (first, second):
        checks.check_classifier(model)
    if not (isinstance(share, numbers.Real) and 0 <= share <= 1):
        raise ValueError(
            "`share` must be in [0, 1] (share of `second`). Received: "
            f"share={share!r}. Pass 0.5 for the middle."
        )
    _check_same(first, second)
    serialized = keras.saving.serialize_keras_object(first)
    serialized.pop("compile_config", None)
    if name is not None:
        serialized["config"]["name"] = name
    # The user's own model, in this process: its Lambda layers are no stranger's.
    mixture = keras.saving.deserialize_keras_object(serialized, safe_mode=False)
    _check_constants(mixture, second)
    mixture.set_weights(
        [
            _mixed(one, other, share)
            for one, other in zip(
                first.get_weights(), second.get_weights(), strict=True
            )
        ]
    )
    return mixture


def _mixed(one, other, share):
    # Integers (counters, states of random numbers) have no middle; share 0 and 1 are
    # exact, also for weights that are infinite.
    if share in (0, 1) or not np.issubdtype(one.dtype, np.floating):
        return other if share == 1 else one
    return ((1 - share) * one + share * other).astype(one.dtype)


def _check_same(first, second) -> None:
    shapes = [
        [tuple(weight.shape) for weight in model.weights] for model in (first, second)
    ]
    if shapes[0] == shapes[1]:
        return
    different = [
        f"{one} against {other}"
        for one, other in zip(*shapes, strict=False)
        if one != other
    ] or [f"{len(shapes[0])} against {len(shapes[1])} weights"]
    raise ValueError(
        "`second` must have the architecture of `first` (weights of the same shapes). "
        f"Received: {different[0]}. Pass a classifier fine-tuned from `first`."
    )


def _check_constants(mixture, second) -> None:
    """Raises unless the model is `second` once it has its weights: on two inputs."""
    mixture.set_weights(second.get_weights())
    sizes = [_UNKNOWN_SIZE if n is None else n for n in checks.shapes(second)[0][1:]]
    probe = np.random.default_rng(0).random((2, *sizes), dtype="float32")
    expected, got = (
        ops.convert_to_numpy(ops.cast(model(probe, training=False), "float32"))
        for model in (second, mixture)
    )
    if not np.allclose(expected, got, 1e-2, 1e-2, equal_nan=True):
        raise ValueError(
            "`second` must differ from `first` by its weights only. Received: other "
            "outputs for the same weights, so another activation or other constants, "
            "such as a Normalization's mean. Pass a classifier fine-tuned from `first`."
        )
