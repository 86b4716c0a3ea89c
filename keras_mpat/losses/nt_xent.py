"""NT-Xent: each projection finds the other views of its image among all others.

Shapes: V views of B images, P units of the projection. All of it is in float32.

References:
    Chen et al. (SimCLR), arXiv:2002.05709, equation 1.
"""

from keras import ops

from keras_mpat.configurable import check_positive
from keras_mpat.losses.directions import unit
from keras_mpat.losses.masked import masked_logsumexp

_FIX = "SimCLR uses 0.1 to 1; ACL and RoCL 0.5."


def nt_xent(*views, temperature=0.5, one_sided=False):
    """Cross-entropy of the cosines over T, against the other views of the same image.

    Row i of view v has the loss sum_p (log sum_k exp(s_ik / T) - s_ip / T): p runs over
    the V - 1 other views of image i and k over all projections but its own. With two
    views the mean is SimCLR's loss; with three it is RoCL's, not divided by the two
    positives. A projection is left out of its own denominator by a mask, exactly.

    Args:
        views: two or more (B, P), row i of each from the same image; B >= 2.
        temperature: T > 0.
        one_sided: let no gradient through the second factor of the cosines, as the
            published code of RoCL does. Values stay the same.

    Returns:
        (V * B,), view after view.

    Raises:
        ValueError: fewer than two views, views of different shapes, a batch of one, or
            a temperature that is not positive.
    """
    _check(views)
    check_positive("temperature", temperature, "a factor on cosines", _FIX)
    count = ops.shape(views[0])[0]
    rows = ops.arange(len(views) * count)
    together = ops.concatenate([ops.cast(view, "float32") for view in views])
    directions = unit(together)
    keys = ops.stop_gradient(directions) if one_sided else directions
    similarities = ops.matmul(directions, ops.transpose(keys)) / temperature
    other = rows[:, None] != rows[None, :]
    same_image = rows[:, None] % count == rows[None, :] % count
    positive = ops.cast(ops.logical_and(same_image, other), "float32")
    normalizer = masked_logsumexp(similarities, other, axis=-1)
    pull = ops.sum(positive * similarities, axis=-1)
    return (len(views) - 1) * normalizer - pull


def _check(views) -> None:
    shapes = [tuple(view.shape) for view in views]
    if len(views) < 2 or any(len(shape) != 2 for shape in shapes):
        raise ValueError(
            "`views` must be two or more arrays (B, P), one for each view. Received: "
            f"shapes {shapes}. Pass nt_xent(first, second)."
        )
    known = [{shape[axis] for shape in shapes} - {None} for axis in (0, 1)]
    if any(len(sizes) > 1 for sizes in known):
        raise ValueError(
            "`views` must have equal shapes: row i of each is image i. Received: "
            f"shapes {shapes}. Split a joint batch: ops.split(outputs, {len(views)})."
        )
    if known[0] == {1}:
        raise ValueError(
            "`views` must hold two images at least: NT-Xent compares with the others. "
            f"Received: shapes {shapes}, a batch of 1. Pass a larger batch_size, or "
            "drop the last batch."
        )
