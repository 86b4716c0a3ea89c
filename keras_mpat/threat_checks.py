"""What can be wrong with a threat model: its lengths, its bounds, its shape."""

import keras
import numpy as np

from keras_mpat.configurable import numbers

UNIT = "in input units, or a fraction of the range such as '8/255'"


def check_bounds(bounds) -> None:
    """Raises unless `bounds` are (lowest, highest), numbers or arrays, in order."""
    pair = bounds if isinstance(bounds, (tuple, list)) and len(bounds) == 2 else (0, 0)
    low, high = map(numbers, pair)
    try:
        ordered = np.all(low < high)
    except ValueError:  # shapes that do not broadcast
        ordered = False
    if not ordered:
        raise ValueError(
            "`bounds` must be (lowest, highest) valid input with lowest < highest. "
            f"Received: bounds={bounds!r}. For images in [0, 1] pass (0, 1)."
        )


def check_epsilon(epsilon, radius, bounds) -> None:
    """Raises unless the radius of `epsilon` is finite and not negative."""
    if not radius.size or not np.all(np.isfinite(radius)) or np.any(radius < 0):
        raise ValueError(
            f"`epsilon` must be >= 0 ({UNIT}). Received: epsilon={epsilon!r} with "
            f"bounds={bounds!r}. For 8 grey levels: '8/255'."
        )


def refuse_linf(epsilon, bounds):
    """Raises: an Linf ball that holds the whole box."""
    raise ValueError(
        f"`epsilon` must lie between 0 and the range of the inputs ({UNIT}). "
        f"Received: epsilon={epsilon!r} with bounds={bounds!r}. "
        "For images in 0-255 pass bounds=(0, 255); for 8 grey levels '8/255'."
    )


def refuse_l2(epsilon, bounds, shape):
    """Raises: an L2 ball that holds the whole box."""
    raise ValueError(
        "`epsilon` of L2 must be at most the largest distance of two inputs, range * "
        f"sqrt(number of features) ({UNIT}). Received: epsilon={epsilon!r} with "
        f"bounds={bounds!r} and inputs of shape {shape}. For images in 0-255 pass "
        "bounds=(0, 255)."
    )


def check_mutable(mutable) -> None:
    """Raises unless `mutable` is None or boolean."""
    if mutable is not None and np.asarray(mutable).dtype != bool:
        raise ValueError(
            "`mutable` must be a boolean array, False for features that cannot "
            f"change. Received: mutable={mutable!r}. Pass mask.astype(bool)."
        )


def check_shapes(threat_model, shape: tuple[int, ...]) -> None:
    """Raises unless epsilon, bounds and mask broadcast to one example of `shape`."""
    parts = {
        "epsilon": (threat_model.radius,),
        "bounds": threat_model.bounds,
        "mutable": (threat_model.mutable,),
    }
    for name, values in parts.items():
        for value in values:
            found = () if keras.ops.is_tensor(value) else np.shape(value)
            if not _broadcasts(found, shape):
                raise ValueError(
                    f"`{name}` must be one value, or broadcast to one example of shape "
                    f"{shape}. Received: {name} of shape {found}. Give it the shape of "
                    "an example, with 1 for axes on which it does not depend."
                )


def _broadcasts(found, shape) -> bool:
    if len(found) > len(shape):
        return False
    last = shape[len(shape) - len(found) :]
    return all(a in (1, b) for a, b in zip(found, last, strict=True))


def fraction(text: str, name: str) -> float:
    """The value of "8/255" or "0.1".

    Raises:
        ValueError: it is neither; `name` is the argument.
    """
    numerator, _, denominator = text.partition("/")
    try:
        return float(numerator) / float(denominator or 1)
    except (ValueError, ZeroDivisionError):
        raise ValueError(
            f"`{name}` must be a number or a fraction of the range like '8/255'. "
            f"Received: {name}={text!r}. Pass 0.1 or '8/255'."
        ) from None
