"""Operations on the colors of images (B, H, W, 3) in [0, 1], as in torchvision."""

from keras import ops

from keras_mpat import backend, noise

_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601-2


def gray(x):
    """Images without color: three equal channels."""
    luma = sum(share * x[..., index : index + 1] for index, share in enumerate(_LUMA))
    return ops.broadcast_to(luma, ops.shape(x))


def brightness(x, factor):
    """x times `factor`, (B, 1, 1, 1), clipped."""
    return ops.clip(factor * x, 0.0, 1.0)


def contrast(x, factor):
    """Moved away from the mean luma of the image, which 0 leaves alone."""
    return _blend(x, ops.mean(gray(x), axis=(1, 2, 3), keepdims=True), factor)


def saturation(x, factor):
    """Moved away from the gray image, which 0 leaves alone."""
    return _blend(x, gray(x), factor)


def hue(x, turns):
    """Colors turned by `turns`, (B, 1, 1, 1), in whole circles."""
    parts = ops.image.rgb_to_hsv(x)
    turned = ops.mod(parts[..., :1] + turns, 1.0)
    return ops.image.hsv_to_rgb(ops.concatenate([turned, parts[..., 1:]], axis=-1))


def jitter(x, keys, strengths):
    """The four operations above in an order of each image's own.

    Args:
        x: (B, H, W, 3) in [0, 1].
        keys: (B, 2).
        strengths: four numbers: factors come from 1 ± strength, turns from ± strength.
    """
    draws = noise.uniform(noise.fold(keys, 1), (4, 1, 1, 1), -1.0, 1.0)
    operations = (brightness, contrast, saturation, hue)
    amounts = [
        strength * draws[:, index] + (0.0 if operation is hue else 1.0)
        for index, (operation, strength) in enumerate(
            zip(operations, strengths, strict=True)
        )
    ]
    # The place of each operation: the rank of its random number.
    order = noise.uniform(noise.fold(keys, 2), (4,))
    rank = ops.sum(ops.cast(order[:, None, :] < order[:, :, None], "int32"), axis=-1)

    def step(place, state):
        (x,) = state
        changed = x
        for index, operation in enumerate(operations):
            now = ops.reshape(rank[:, index] == place, (-1, 1, 1, 1))
            changed = ops.where(now, operation(x, amounts[index]), changed)
        return (changed,)

    return backend.loop(4, step, (x,))[0]  # a loop: each operation is traced once


def _blend(x, other, factor):
    return ops.clip(factor * x + (1.0 - factor) * other, 0.0, 1.0)
