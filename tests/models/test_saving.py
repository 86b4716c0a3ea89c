"""Everything the models module returns loads where keras_mpat cannot be imported."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_mpat import models

LOADER = """
import sys
from pathlib import Path

sys.modules["keras_mpat"] = None
import keras
import numpy as np

for path in Path.cwd().glob("*.keras"):
    model = keras.saving.load_model(path)
    outputs = model.predict_on_batch(np.load(path.with_suffix(".in.npy")))
    outputs = outputs if isinstance(outputs, list) else [outputs]
    np.savez(path.with_suffix(".npz"), *outputs)
try:
    import keras_mpat
except ImportError:
    print("blocked")
"""


def networks():
    yield models.lenet(3, input_shape=(8, 8, 1), filters=(2, 2), units=4)
    yield models.lenet_tla(3, input_shape=(8, 8, 1), filters=(2,) * 4, units=4)
    yield models.small_cnn(3, input_shape=(16, 16, 1), units=4)
    yield models.medium_cnn(3, input_shape=(8, 8, 1), filters=(2, 2, 2, 2), units=4)
    small = {"input_shape": (8, 8, 3), "width": 2}
    yield models.resnet18(3, **small)
    yield models.resnet18(3, **small, preact=True, name="resnet18_preact")
    yield models.resnet50(3, **small, stem="imagenet")
    yield models.wide_resnet(3, depth=10, widen=2, **small, dropout=0.3)


def derived(layouts):
    for name, layout in layouts.items():
        both = models.feature_model(models.as_logits(layout("softmax")))
        yield f"{name}_both", both
    for name in ("flat", "nested_twice"):
        original = layouts[name]("softmax")
        yield f"{name}_logits", models.as_logits(original)
        head = layers.Dense(4, name="head")
        yield f"{name}_head", models.replace_head(original, head)


@pytest.fixture
def saved(layouts, tmp_path):
    named = {model.name: model for model in networks()} | dict(derived(layouts))
    rng = np.random.default_rng(0)
    expected = {}
    for name, model in named.items():
        x = rng.random((3, *model.input_shape[1:]), dtype="float32")
        model.save(tmp_path / f"{name}.keras")
        np.save(tmp_path / f"{name}.in.npy", x)
        outputs = model.predict_on_batch(x)
        expected[name] = outputs if isinstance(outputs, list) else [outputs]
    return tmp_path, expected


def test_loads_without_the_package(saved):
    folder, expected = saved
    done = subprocess.run(
        [sys.executable, "-c", LOADER],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "blocked" in done.stdout
    assert len(expected) == 8 + 7 + 2 * 2
    for name, outputs in expected.items():
        loaded = np.load(folder / f"{name}.npz")
        assert len(loaded.files) == len(outputs)
        for key, output in zip(loaded.files, outputs, strict=True):
            np.testing.assert_allclose(
                loaded[key], output, rtol=1e-4, atol=1e-5, err_msg=name
            )


def test_loaded_logits_train_on(layouts, train_once, tmp_path):
    """The twin of the last layer is an ordinary layer after loading."""
    models.as_logits(layouts["flat"]("softmax")).save(tmp_path / "m.keras")
    model = keras.saving.load_model(tmp_path / "m.keras")
    before = model.get_weights()
    train_once(model)
    assert not np.array_equal(before[-1], model.get_weights()[-1])


def test_weights_files_are_interchangeable(layout, images, tmp_path):
    """Same layer names, same order: a softmax checkpoint loads into the logits."""
    original = layout("softmax")
    logits = models.as_logits(original)
    before = ops.convert_to_numpy(logits(images))
    logits.save_weights(tmp_path / "m.weights.h5")
    original.set_weights([0 * w for w in original.get_weights()])
    fresh = models.as_logits(layout("softmax"))
    fresh.load_weights(tmp_path / "m.weights.h5")
    np.testing.assert_allclose(fresh(images), before, rtol=1e-5, atol=1e-6)
