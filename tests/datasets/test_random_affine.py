"""RandomAffine: known maps, an oracle pixel by pixel, and what must not change."""

import math

import numpy as np
import pytest

from keras_mpat import datasets
from keras_mpat.datasets import RandomAffine

USUAL = {"rotation": 10.0, "stretch": 0.1, "shear": 0.1, "shift": 2}
TOP = np.nextafter(np.float32(1), np.float32(0))


def images(count=8, shape=(7, 9, 3)):
    return np.random.default_rng(0).random((count, *shape), dtype="float32")


def noise(count=8, seed=1):
    return np.random.default_rng(seed).random((count, 6), dtype="float32")


def by_hand(augment, image, draws):
    """One pixel after the other: the matrix S (1 + shear) R, then four neighbors."""
    height, width, _ = image.shape
    steps = [math.floor(u * (2 * augment.shift + 1)) - augment.shift for u in draws[:2]]
    turn, rows, columns, lean = (2 * float(u) - 1 for u in draws[2:])
    angle = math.radians(augment.rotation) * turn
    turned = [
        [math.cos(angle), -math.sin(angle)],
        [math.sin(angle), math.cos(angle)],
    ]
    scaled = np.diag(np.exp(augment.stretch * np.array([rows, columns]))) @ turned
    matrix = np.array([[1, 0], [augment.shear * lean, 1]]) @ scaled
    center = np.array([(height - 1) / 2, (width - 1) / 2])
    low, high = augment.bounds
    out = np.zeros_like(image)
    for place in np.ndindex(height, width):
        at = matrix @ (np.array(place) - center) + center + steps
        for corner in np.ndindex(2, 2):
            near = np.floor(at).astype(int) + corner
            weight = np.prod(1 - np.abs(at - near))
            inside = (near >= 0).all() and (near < (height, width)).all()
            out[place] += weight * (image[tuple(near)] if inside else low)
    middle = (low + high) / 2
    return np.clip((out - middle) * augment.contrast + middle, low, high)


@pytest.mark.parametrize(
    "augment",
    [
        RandomAffine(**USUAL),
        RandomAffine(180.0),
        RandomAffine(stretch=0.7),
        RandomAffine(shear=0.9),
        RandomAffine(25.0, stretch=0.2, shear=0.3, shift=3, contrast=1.5),
        RandomAffine(180.0, stretch=1.0, shear=1.0, shift=1000),
        RandomAffine(20.0, contrast=3.0, bounds=(-1.0, 2.0)),
    ],
)
def test_every_pixel_by_hand(augment):
    result = augment(images(), noise())
    assert result.dtype == np.float32
    pairs = zip(images(), noise(), strict=True)
    expected = [by_hand(augment, *pair) for pair in pairs]
    np.testing.assert_allclose(result, expected, atol=2e-5)


@pytest.mark.parametrize("shift", [1, 3])
def test_shifts_are_whole_pixels_and_reach_the_ends(shift):
    augment = RandomAffine(shift=shift)
    x = images(3)
    draws = np.full((3, 6), 0.5, "float32")
    draws[0, :2], draws[2, :2] = 0.0, TOP
    low, middle, high = augment(x, draws)
    np.testing.assert_array_equal(middle, x[1])
    np.testing.assert_array_equal(low[shift:, shift:], x[0, :-shift, :-shift])
    np.testing.assert_array_equal(high[:-shift, :-shift], x[2, shift:, shift:])
    assert not low[:shift].any() and not high[:, -shift:].any()


def test_nothing_asked_for_changes_nothing():
    result = RandomAffine()(images(), noise())
    np.testing.assert_array_equal(result, images())


def test_half_a_turn():
    draws = np.full((8, 6), 0.5, "float32")
    draws[:, 2] = TOP
    result = RandomAffine(180.0)(images(), draws)
    np.testing.assert_allclose(result, images()[:, ::-1, ::-1], atol=1e-5)


def test_pixels_stay_in_their_range_and_each_image_has_its_own_map():
    x = np.repeat(images(1), 64, axis=0)
    result = RandomAffine(**USUAL, contrast=2.0)(x, noise(64))
    assert 0 <= result.min() and result.max() <= 1
    assert len({one.tobytes() for one in result}) == 64


def test_a_pass_is_the_same_again_and_in_batches_of_another_size():
    y, options = np.arange(8), {"augment": RandomAffine(**USUAL), "seed": 4}
    first = datasets.from_arrays(images(), y, batch_size=8, shuffle=True, **options)
    passes = [next(iter(first)) for _ in range(3)]
    for epoch, (x, order) in enumerate(passes):
        again = datasets.from_arrays(
            images(), y, batch_size=3, shuffle=True, epoch=epoch, **options
        )
        one, labels = (
            np.concatenate([np.asarray(part) for part in parts])
            for parts in zip(*again, strict=True)
        )
        np.testing.assert_array_equal(one, np.asarray(x))
        np.testing.assert_array_equal(labels, np.asarray(order))
    assert len({np.asarray(x).tobytes() for x, _ in passes}) == 3


def test_a_number_of_any_kind_makes_the_same_pixels():
    kinds = np.float64(0.1), np.float64(0.1), np.uint8(2)
    other = RandomAffine(10, stretch=kinds[0], shear=kinds[1], shift=kinds[2])
    assert other == RandomAffine(**USUAL)
    result = RandomAffine(**USUAL)(images(), noise())
    np.testing.assert_array_equal(other(images(), noise()), result)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"rotation": -1.0}, r"`rotation` must be a number from 0 to 180 \(degrees"),
        ({"rotation": True}, "`rotation` must be a number"),
        ({"stretch": math.inf}, "`stretch` must be a number from 0 to 1 .*logarithm"),
        ({"shear": "0.1"}, r"`shear` must be a number from 0 to 1 \(columns per row"),
        ({"shift": 1.5}, "`shift` must be an integer >= 0"),
        ({"shift": 1001}, r"`shift` must be a number from 0 to 1000 \(pixels"),
        ({"contrast": 0.0}, r"`contrast` must be a number from 1 to 100 \(a factor"),
        ({"contrast": math.nan}, "`contrast` must be a number from 1"),
        ({"bounds": (1, 0)}, "`bounds` must be two finite numbers"),
    ],
)
def test_wrong_numbers(given, text):
    with pytest.raises(ValueError, match=text):
        RandomAffine(**given)


def test_a_table_is_refused():
    with pytest.raises(ValueError, match=r"RandomAffine takes images .*\('N', 6\)"):
        datasets.from_arrays(np.zeros((8, 6)), np.arange(8) % 2, augment=RandomAffine())
