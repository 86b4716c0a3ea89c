"""The discriminator: the published network's function, and whose optimizer moves it."""

import keras
import numpy as np
from keras import ops

from keras_mpat.layers import Discriminator


def _built(**options):
    layer = Discriminator(3, **options)
    layer.build((None, 3))
    return layer


def test_it_is_a_wide_resnet_on_one_pixel():
    """Dense layers and the middle taps of 3 x 3 convolutions give the same numbers."""
    rng = np.random.default_rng(0)
    layer = _built(widths=(6, 6, 8), blocks=2, seed=1)
    weights = {w.name: ops.convert_to_numpy(w) for w in layer.weights}
    x = rng.normal(size=(5, 3)).astype("float32")
    image = x[:, None, None, :]

    def convolve(name, value):
        kernel = np.zeros((3, 3, *weights[f"{name}_kernel"].shape), "float32")
        kernel[1, 1] = weights[f"{name}_kernel"]
        # What surrounds the middle tap sees padding only.
        kernel[0, 0] = rng.normal(size=kernel[0, 0].shape)
        return ops.conv(value, kernel, padding="same")

    def norm(value):  # at the start: gamma 1, beta 0, averages 0 and 1
        return value / np.sqrt(1 + 1e-5)

    value = convolve("stem", image)
    for group in range(3):
        for block in range(2):
            name = f"group{group}_block{block}"
            first = ops.relu(norm(value))
            shortcut = value
            if f"{name}_shortcut_kernel" in weights:
                shortcut = convolve(f"{name}_shortcut", first)
            inner = ops.relu(norm(convolve(f"{name}_dense0", first)))
            value = shortcut + convolve(f"{name}_dense1", inner)
    pooled = ops.mean(ops.relu(norm(value)), axis=(1, 2))
    natural, classes = layer(x)
    wanted = ops.matmul(pooled, weights["natural_kernel"])[:, 0]
    np.testing.assert_allclose(natural, wanted, rtol=2e-4, atol=1e-5)
    wanted = ops.matmul(pooled, weights["classes_kernel"])
    np.testing.assert_allclose(classes, wanted, rtol=2e-4, atol=1e-5)


def test_the_published_size():
    layer = _built()
    dense = [w for w in layer.learned if w.name.endswith("kernel")]
    # 28 = 4 * 6 + 4: stem, 24 in blocks, the answer; and 3 shortcuts, 1 more answer.
    assert len(dense) == 1 + 24 + 3 + 2
    assert [w.shape[-1] for w in dense if "shortcut" in w.name] == [80, 160, 320]


def test_keras_trains_none_of_it_and_averages_move_when_asked():
    layer = _built(widths=(4,), blocks=1)
    assert layer.trainable_variables == []
    averages = [w for w in layer.weights if w.name.endswith(("mean", "variance"))]
    x = np.random.default_rng(1).normal(size=(8, 3)).astype("float32")
    before = [ops.convert_to_numpy(w) for w in averages]
    layer(x, training=True, update=False)
    layer(x)
    after = [ops.convert_to_numpy(w) for w in averages]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    layer(x, training=True)
    moved = [ops.convert_to_numpy(w) for w in averages]
    assert any(not np.array_equal(a, b) for a, b in zip(moved, after, strict=True))


def test_its_first_weights_are_those_of_the_seed():
    one, same, other = (_built(widths=(4,), blocks=1, seed=s) for s in (1, 1, 2))
    first = [ops.convert_to_numpy(layer.learned[0]) for layer in (one, same, other)]
    np.testing.assert_array_equal(first[0], first[1])
    assert not np.array_equal(first[0], first[2])
    twin = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(one)
    )
    assert twin.get_config() == one.get_config()
