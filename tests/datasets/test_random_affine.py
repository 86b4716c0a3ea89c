"""RandomAffine: known maps, an oracle pixel by pixel, and what must not change."""

import math

import numpy as np
import pytest

from keras_mpat import datasets
from keras_mpat.datasets import RandomAffine

STILL = {"rotation": 0, "stretch": 0, "shear": 0, "shift": 0}
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
    out = np.zeros_like(image)
    for place in np.ndindex(height, width):
        at = matrix @ (np.array(place) - center) + center + steps
        for corner in np.ndindex(2, 2):
            near = np.floor(at).astype(int) + corner
            weight = np.prod(1 - np.abs(at - near))
            if (near >= 0).all() and (near < (height, width)).all():
                out[place] += weight * image[tuple(near)]
    return np.clip((out - 0.5) * augment.contrast + 0.5, 0, 1)


@pytest.mark.parametrize(
    "augment",
    [
        RandomAffine(),
        RandomAffine(**STILL | {"rotation": 180.0}),
        RandomAffine(**STILL | {"stretch": 0.7}),
        RandomAffine(**STILL | {"shear": 0.9}),
        RandomAffine(25.0, 0.2, 0.3, shift=3, contrast=1.5),
        RandomAffine(30.0, 3.0, 0.3, shift=40),
        RandomAffine(**STILL | {"contrast": 0.5}),
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
    augment = RandomAffine(**STILL | {"shift": shift})
    x = images(3)
    draws = np.full((3, 6), 0.5, "float32")
    draws[0, :2], draws[2, :2] = 0.0, TOP
    low, middle, high = augment(x, draws)
    np.testing.assert_array_equal(middle, x[1])
    np.testing.assert_array_equal(low[shift:, shift:], x[0, :-shift, :-shift])
    np.testing.assert_array_equal(high[:-shift, :-shift], x[2, shift:, shift:])
    assert not low[:shift].any() and not high[:, -shift:].any()


def test_nothing_asked_for_changes_nothing():
    result = RandomAffine(**STILL)(images(), noise())
    np.testing.assert_array_equal(result, images())


def test_half_a_turn():
    draws = np.full((8, 6), 0.5, "float32")
    draws[:, 2] = TOP
    result = RandomAffine(**STILL | {"rotation": 180.0})(images(), draws)
    np.testing.assert_allclose(result, images()[:, ::-1, ::-1], atol=1e-5)


def test_pixels_stay_in_their_range_and_each_image_has_its_own_map():
    x = np.repeat(images(1), 64, axis=0)
    result = RandomAffine(contrast=2.0)(x, noise(64))
    assert 0 <= result.min() and result.max() <= 1
    assert len({one.tobytes() for one in result}) == 64


def test_a_stream_of_it_resumes_and_knows_no_batch_size():
    y = np.arange(8)
    found = []
    for size in (8, 3):
        data = datasets.from_arrays(
            images(), y, augment=RandomAffine(), batch_size=size, seed=4, epoch=2
        )
        found.append(np.concatenate([np.asarray(x) for x, _ in data]))
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"rotation": -1.0}, r"`rotation` must be a number >= 0 \(degrees\)"),
        ({"rotation": True}, "`rotation` must be a number"),
        ({"stretch": math.inf}, "`stretch` must be a number >= 0 .*logarithm"),
        ({"shear": "0.1"}, r"`shear` must be a number >= 0 \(columns per row\)"),
        ({"shift": 1.5}, "`shift` must be an integer >= 0"),
        ({"contrast": 0.0}, r"`contrast` must be a number > 0 \(a factor"),
        ({"contrast": math.nan}, "`contrast` must be a number > 0"),
    ],
)
def test_wrong_numbers(given, text):
    with pytest.raises(ValueError, match=text):
        RandomAffine(**given)


def test_a_table_is_refused():
    with pytest.raises(ValueError, match=r"RandomAffine takes images .*\('N', 6\)"):
        datasets.from_arrays(np.zeros((8, 6)), np.arange(8) % 2, augment=RandomAffine())
