"""Streams: order, passes, exact resume, batch sizes, and use in `fit`."""

import hashlib
import os
import pathlib
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

import keras_mpat
from keras_mpat import datasets

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="tf.data streams; test_dataset_numpy has those of other backends",
)
CROP = datasets.PadCropFlip(padding=2)


def one_pass(data):
    """The images and labels of one complete pass, in order."""
    pairs = [(x.numpy(), y.numpy()) for x, y in data]
    return np.concatenate([x for x, _ in pairs]), np.concatenate([y for _, y in pairs])


def digest(data):
    x, y = one_pass(data)
    return hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest()


def numbered(count, **options):
    """Images whose pixel tells their index."""
    x = np.arange(count, dtype="float32")[:, None, None, None] / count
    return datasets.from_arrays(x, np.arange(count), **options)


def test_training_stream():
    data = datasets.load("digits_2", "train", batch_size=100)
    assert len(data) == 12
    images, labels = data.element_spec
    assert images.shape == (100, 8, 8, 1) and images.dtype == "float32"
    assert labels.shape == (100,) and labels.dtype == "int32"
    x, y = one_pass(data)
    everything, classes, _ = datasets.arrays("digits_2", "train")
    label_of = {
        image.tobytes(): label for image, label in zip(everything, classes, strict=True)
    }
    seen = [image.tobytes() for image in x]
    assert len(set(seen)) == 1200
    assert [label_of[image] for image in seen] == list(y)
    assert not np.array_equal(x, everything[:1200])


def test_no_tuner_makes_the_end_of_an_epoch_wait():
    """It sleeps up to a minute when an iterator is given up (DESIGN.md, 117)."""
    for data in (numbered(8, batch_size=4), datasets.load("digits", "test")):
        assert data.options().autotune.enabled is False


@pytest.mark.parametrize("split", ["validation", "test", "all"])
def test_other_streams_are_whole_and_in_order(split):
    data = datasets.load("digits", split, batch_size=100, seed=5)
    x, y, _ = datasets.arrays("digits", split)
    for _ in range(2):
        images, labels = one_pass(data)
        np.testing.assert_array_equal(images, x)
        np.testing.assert_array_equal(labels, y)
    assert len(data) == -(-len(x) // 100)


def test_each_pass_has_its_own_order_and_a_new_stream_repeats_it():
    data = datasets.load("digits", "train", seed=3)
    passes = [digest(data) for _ in range(3)]
    assert len(set(passes)) == 3
    again = datasets.load("digits", "train", seed=3)
    assert [digest(again) for _ in range(3)] == passes
    assert digest(datasets.load("digits", "train", seed=4)) not in passes


def test_each_pass_shows_each_example_once():
    data = numbered(30, batch_size=7, shuffle=True)
    for _ in range(3):
        assert sorted(one_pass(data)[1]) == list(range(30))


@pytest.mark.parametrize("batch_size", [400, 600])
def test_a_pass_that_stops_early_does_not_count(batch_size):
    # Few batches: the prefetched ones are all made while the first is looked at.
    data = datasets.load("digits", "train", batch_size=batch_size)
    first = next(iter(data))[0].numpy()
    time.sleep(0.2)
    for x, _ in data.take(1):
        np.testing.assert_array_equal(x, first)
    for index, (x, _) in enumerate(data):
        if index == 0:
            np.testing.assert_array_equal(x, first)
    np.testing.assert_array_equal(
        next(iter(data))[0],
        next(iter(datasets.load("digits", "train", batch_size=batch_size, epoch=1)))[0],
    )


def test_iterators_side_by_side_are_one_pass():
    data = numbered(20, batch_size=5, shuffle=True)
    for (_, left), (_, right) in zip(data, data, strict=True):
        np.testing.assert_array_equal(left, right)
    expected = one_pass(numbered(20, batch_size=5, shuffle=True, epoch=1))
    np.testing.assert_array_equal(one_pass(data)[1], expected[1])


def test_repeat_moves_through_the_epochs():
    repeated = one_pass(numbered(20, batch_size=5, shuffle=True).repeat(3))[1]
    for epoch, labels in enumerate(repeated.reshape(3, 20)):
        fresh = numbered(20, batch_size=5, shuffle=True, epoch=epoch)
        np.testing.assert_array_equal(labels, one_pass(fresh)[1])


def test_another_process_continues_exactly():
    options = dict(batch_size=64, seed=7, augment=CROP)
    data = datasets.load("digits_2", "train", **options)
    passes = [digest(data) for _ in range(4)]
    validation = datasets.arrays("digits_2", "validation")[0]
    code = (
        "import sys, hashlib, numpy as np; from keras_mpat import datasets\n"
        "data = datasets.load('digits_2', 'train', batch_size=64, seed=7, epoch=3, "
        "augment=datasets.PadCropFlip(padding=2))\n"
        "pairs = [(x.numpy(), y.numpy()) for x, y in data]\n"
        "x, y = (np.concatenate(part) for part in zip(*pairs))\n"
        "print(hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest())\n"
        "x = datasets.arrays('digits_2', 'validation')[0]\n"
        "print(hashlib.sha256(x.tobytes()).hexdigest())\n"
    )
    root = str(pathlib.Path(keras_mpat.__path__[0]).parent)
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    output = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert output == [passes[3], hashlib.sha256(validation.tobytes()).hexdigest()]


def test_small_sets_keep_their_only_batch():
    data = datasets.load("digits", "train", limit=50, batch_size=128)
    assert [len(y) for _, y in data] == [50]


def test_limit_takes_the_first_examples():
    x, y = one_pass(datasets.load("digits", "test", limit=33, batch_size=10))
    expected = datasets.arrays("digits", "test")
    np.testing.assert_array_equal(x, expected[0][:33])
    np.testing.assert_array_equal(y, expected[1][:33])
    assert len(one_pass(datasets.load("digits", "test", limit=10_000))[0]) == 359


def test_shuffle_can_be_set():
    x = datasets.arrays("digits", "train")[0][:1280]
    plain = one_pass(datasets.load("digits", "train", shuffle=False))[0]
    np.testing.assert_array_equal(plain, x)
    mixed = one_pass(datasets.load("digits", "test", shuffle=True))[0]
    assert not np.array_equal(mixed, datasets.arrays("digits", "test")[0])


def test_label_map_reaches_the_stream():
    data = datasets.load("digits", "test", label_map=lambda digit: digit % 3)
    modes = datasets.arrays("digits", "test")[2]
    np.testing.assert_array_equal(one_pass(data)[1], modes % 3)


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 0},
        {"batch_size": 2.5},
        {"batch_size": True},
        {"seed": -1},
        {"epoch": -1},
        {"limit": 0},
        {"augment": "flip"},
        {"augment": True},
    ],
)
def test_wrong_options(options):
    (name,) = options
    with pytest.raises(ValueError, match=f"`{name}` must be .*Received: {name}="):
        datasets.load("digits", "train", **options)


class _Recorder(keras.callbacks.Callback):
    """Keeps the checksum of what the model saw in each epoch."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.seen = layer, []

    def on_epoch_end(self, epoch, logs=None):
        self.seen.append(keras.ops.convert_to_numpy(self.layer.total.value))
        self.layer.total.assign(keras.ops.zeros((64,)))


class _Checksum(keras.layers.Layer):
    """Adds up the images of the batches, so that the order shows in float rounding."""

    def build(self, input_shape):
        self.total = self.add_weight(shape=(64,), trainable=False, initializer="zeros")

    def call(self, x):
        flat = keras.ops.reshape(x, (-1, 64))
        self.total.assign(0.5 * self.total + keras.ops.mean(flat, axis=0))
        return flat


@pytest.mark.parametrize("steps_per_execution", [1, 4])
def test_fit_runs_through_the_epochs(steps_per_execution):
    def fit(epochs, epoch):
        layer = _Checksum()
        recorder = _Recorder(layer)
        model = keras.Sequential([layer, keras.layers.Dense(2)])
        model.compile(
            "sgd",
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            steps_per_execution=steps_per_execution,
        )
        train = datasets.load("digits_2", "train", batch_size=200, epoch=epoch)
        validation = datasets.load("digits_2", "validation")
        history = model.fit(
            train,
            validation_data=validation,
            epochs=epochs,
            shuffle=False,
            verbose=0,
            callbacks=[recorder],
        )
        assert len(history.history["val_loss"]) == epochs
        return recorder.seen

    seen = fit(epochs=3, epoch=0)
    assert not np.allclose(seen[0], seen[1], atol=1e-4)
    np.testing.assert_allclose(fit(epochs=1, epoch=2)[0], seen[2], atol=1e-6)
