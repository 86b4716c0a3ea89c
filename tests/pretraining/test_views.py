"""Views: Pillow as the oracle of crops, colorsys of colors; keys, ranges, defaults."""

import colorsys

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image

from keras_mpat import noise
from keras_mpat.pretraining import SimCLRViews, colors
from keras_mpat.pretraining.views import boxes

PLAIN = {"crop_scale": (1, 1), "flip": False, "jitter": (0, 0, 0, 0), "gray_share": 0}


def images(count=6, size=12, channels=3, seed=0):
    shape = (count, size, size + 2, channels)
    return np.random.default_rng(seed).random(shape, dtype="float32")


def numpy(tensor):
    return ops.convert_to_numpy(tensor)


def view(views, x, seed=0, **kwargs):
    return numpy(views(x, noise.keys(seed, len(x)), **kwargs))


def test_crops_are_those_of_pillow():
    """Cut out, resized in float32 by Pillow's bicubic filter, then clipped."""
    x = images(20, channels=1)
    views = SimCLRViews(crop_scale=(0.1, 1.0), flip=False)
    found = view(views, x)
    keys = noise.keys(0, len(x))
    places = [numpy(part) for part in boxes(keys, *x.shape[1:3], (0.1, 1.0))]
    for image, out, top, left, rows, columns in zip(x, found, *places, strict=True):
        cut = Image.fromarray(image[top : top + rows, left : left + columns, 0])
        size = x.shape[1:3][::-1]
        expected = np.asarray(cut.resize(size, Image.Resampling.BICUBIC)).clip(0, 1)
        np.testing.assert_allclose(out[..., 0], expected, atol=1e-5)


def test_boxes_have_the_areas_and_ratios_that_were_asked_for():
    keys = noise.keys(3, 4000)
    top, left, rows, columns = (numpy(p) for p in boxes(keys, 32, 32, (0.2, 0.6)))
    area, ratio = rows * columns / 32**2, columns / rows
    assert 0.19 < area.min() < 0.21 and 0.58 < area.max() < 0.62
    assert area.mean() == pytest.approx(0.4, abs=0.01)
    assert 0.7 < ratio.min() < 0.78 and 1.28 < ratio.max() < 1.4
    assert np.log(ratio).mean() == pytest.approx(0, abs=0.01)
    assert top.min() == left.min() == 0
    assert (top + rows).max() == (left + columns).max() == 32


def test_whole_crops_and_no_colors_leave_the_image():
    for channels in (1, 3):
        x = images(channels=channels)
        np.testing.assert_array_equal(view(SimCLRViews(**PLAIN), x), x)


def test_mirrors_about_half_of_the_images():
    x = images(200)
    found = view(SimCLRViews(**{**PLAIN, "flip": True}), x)
    mirrored = np.all(found == x[:, :, ::-1], axis=(1, 2, 3))
    kept = np.all(found == x, axis=(1, 2, 3))
    assert np.all(mirrored ^ kept)
    assert 70 < mirrored.sum() < 130


@pytest.mark.parametrize("turns", [-0.1, 0.0, 0.3])
def test_hue_is_that_of_colorsys(turns):
    x = images(2, size=3)
    expected = x.copy()
    for index in np.ndindex(x.shape[:3]):
        h, s, v = colorsys.rgb_to_hsv(*map(float, x[index]))
        expected[index] = colorsys.hsv_to_rgb((h + turns) % 1, s, v)
    found = numpy(colors.hue(x, np.full((2, 1, 1, 1), turns, "float32")))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_other_colors_have_closed_forms():
    x = images(2, size=3)
    half = np.full((2, 1, 1, 1), 0.5, "float32")
    luma = x @ np.array([0.299, 0.587, 0.114])
    gray = np.repeat(luma[..., None], 3, axis=-1)
    np.testing.assert_allclose(numpy(colors.gray(x)), gray, atol=1e-6)
    np.testing.assert_allclose(numpy(colors.brightness(x, half)), x / 2, atol=1e-6)
    np.testing.assert_allclose(
        numpy(colors.brightness(x, 4 * half)), (2 * x).clip(0, 1)
    )
    np.testing.assert_allclose(
        numpy(colors.saturation(x, half)), (x + gray) / 2, atol=1e-6
    )
    mean = luma.mean(axis=(1, 2))[:, None, None, None]
    np.testing.assert_allclose(
        numpy(colors.contrast(x, half)), (x + mean) / 2, atol=1e-6
    )


def test_the_jitter_takes_each_operation_once_in_an_order_of_the_image():
    """Without hue and saturation, either order of the two others is met."""
    x = images(200, size=3)
    keys = noise.keys(1, len(x))
    found = numpy(colors.jitter(x, keys, (0.4, 0.4, 0.0, 0.0)))
    draws = numpy(noise.uniform(noise.fold(keys, 1), (4, 1, 1, 1), -1.0, 1.0))
    one, two = (1 + 0.4 * draws[:, index] for index in (0, 1))
    first = numpy(colors.contrast(colors.brightness(x, one), two))
    second = numpy(colors.brightness(colors.contrast(x, two), one))

    def same(expected):
        return np.abs(found - expected).max(axis=(1, 2, 3)) < 1e-5

    assert np.all(same(first) | same(second))
    assert 50 < (same(first) & ~same(second)).sum() < 150


@pytest.mark.parametrize("bounds", [(0, 1), (-1, 1), (0, 255)])
def test_pixels_stay_in_their_range_and_move(bounds):
    low, high = bounds
    x = np.round(images(16))  # corners of the box: where filters overshoot
    scaled = low + (high - low) * x
    found = view(SimCLRViews(), scaled, bounds=bounds)
    assert found.shape == x.shape and found.dtype == np.float32
    assert found.min() >= low and found.max() <= high
    assert np.all(np.abs(found - scaled).max(axis=(1, 2, 3)) > 0)
    unit = view(SimCLRViews(), x)
    np.testing.assert_allclose((found - low) / (high - low), unit, atol=1e-4)


def test_a_view_depends_on_the_image_and_its_key_alone():
    x, views = images(8), SimCLRViews()
    keys = noise.of_indices(7, np.arange(8))
    whole = numpy(views(x, keys))
    order = np.array([5, 2, 7])
    rounding = {"rtol": 0, "atol": 1e-6}  # of kernels that work by the size of a batch
    alone = numpy(views(x[5:6], keys[5:6]))
    np.testing.assert_allclose(alone, whole[5:6], **rounding)
    picked = noise.of_indices(7, order)
    np.testing.assert_allclose(numpy(views(x[order], picked)), whole[order], **rounding)
    assert not np.array_equal(view(views, x, seed=8), view(views, x, seed=9))


def test_images_without_colors_get_milder_views():
    digits, photos = SimCLRViews().for_channels(1), SimCLRViews().for_channels(3)
    assert digits.crop_scale == (0.5, 1.0) and photos.crop_scale == (0.1, 1.0)
    assert not digits.flip and photos.flip
    assert sum(digits.jitter) == digits.gray_share == 0
    assert photos.jitter == (0.4, 0.4, 0.4, 0.1) and photos.gray_share == 0.2
    x = images(4, channels=1)
    assert view(SimCLRViews(), x).shape == x.shape
    asked = SimCLRViews(flip=True, crop_scale=(0.2, 1.0)).for_channels(1)
    assert asked.flip and asked.crop_scale == (0.2, 1.0)


@pytest.mark.parametrize("asked", [{"jitter": (0.4, 0, 0, 0)}, {"gray_share": 0.2}])
def test_colors_asked_for_on_one_channel_are_refused(asked):
    with pytest.raises(ValueError, match="`(jitter|gray_share)` must be 0 on images"):
        view(SimCLRViews(**asked), images(2, channels=1))
    view(SimCLRViews(jitter=(0, 0, 0, 0), gray_share=0.0), images(2, channels=1))


def test_views_are_a_value_that_keras_serializes():
    views = SimCLRViews(crop_scale=(0.3, 0.9), gray_share=0.1)
    again = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(views)
    )
    assert again == views and again != SimCLRViews()
