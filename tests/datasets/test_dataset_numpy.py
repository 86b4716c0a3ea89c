"""Streams without tf.data: the same batches, for JAX and where TensorFlow is not."""

import hashlib
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_mpat
from keras_mpat import datasets
from keras_mpat.datasets.passes import Passes
from keras_mpat.datasets.plans import EachOnce
from keras_mpat.datasets.streams import NumpyStream, stream
from tests.datasets.trees import class_folders

X = np.random.default_rng(0).integers(0, 256, (23, 6, 5, 3), "uint8")
Y = np.arange(23, dtype="int32")


def passes(batch_size=4, count=23, epoch=0):
    plan = EachOnce(np.arange(count), shuffle=True, seed=3)
    return Passes(
        (X, Y),
        plan,
        batch_size=batch_size,
        steps=-(-count // batch_size),
        augment=datasets.PadCropFlip(padding=2),
        epoch=epoch,
    )


def digest(batches):
    return [(np.asarray(x).tobytes(), np.asarray(y).tolist()) for x, y in batches]


def expected(epoch, **options):
    source = passes(**options)
    return digest(source.batch(epoch, step) for step in range(source.steps))


def by_number(data):
    return digest(data[step] for step in range(len(data)))


def test_the_backend_decides_the_form():
    on_tensorflow = keras.backend.backend() == "tensorflow"
    data = datasets.from_arrays(X, Y, batch_size=4)
    assert isinstance(data, NumpyStream) != on_tensorflow
    assert len(data) == 6


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="compares with tf.data"
)
def test_tf_data_and_numpy_agree_bit_for_bit_over_three_passes():
    pipeline, arrays = stream(passes(), None), NumpyStream(passes())
    for epoch in range(3):
        batches = digest(arrays)
        assert batches == digest(pipeline) == expected(epoch)


def test_batches_are_float32_in_the_unit_range_and_int32():
    images, labels = NumpyStream(passes())[0]
    assert (images.dtype, labels.dtype) == (np.float32, np.int32)
    assert images.min() >= 0.0 and 0.9 < images.max() <= 1.0


def test_iterating_moves_through_the_epochs_and_a_new_stream_continues():
    data = NumpyStream(passes())
    seen = [digest(data), digest(data.as_numpy_iterator()), digest(data)]
    assert seen == [expected(epoch) for epoch in range(3)]
    assert digest(NumpyStream(passes(epoch=2))) == seen[2]


def test_a_pass_that_stops_early_does_not_count():
    data = NumpyStream(passes())
    first = next(iter(data))
    assert digest([next(iter(data))]) == digest([first])
    assert by_number(data) == expected(0)


def test_iterators_side_by_side_are_one_pass():
    data = NumpyStream(passes())
    pairs = list(zip(data, data, strict=True))
    assert digest(a for a, _ in pairs) == digest(b for _, b in pairs) == expected(0)
    assert digest(data) == expected(1)


def test_numbers_move_through_the_epochs_in_any_order():
    data = NumpyStream(passes())
    looks = [data[0], data[1]]  # Keras reads ahead when it builds a model
    assert digest(looks) == expected(0)[:2]
    shuffled = [5, 0, 3, 1, 4, 2]
    for epoch in range(3):
        batches = digest(data[step] for step in shuffled)
        assert batches == [expected(epoch)[step] for step in shuffled]
    # Iterating after questions by number goes on with the next pass.
    data[-1]
    assert digest(data) == expected(3)
    assert by_number(data) == expected(4)


def test_numbers_out_of_range():
    data = NumpyStream(passes())
    with pytest.raises(IndexError):
        data[6]


class _Recorder(keras.layers.Layer):
    """Adds up its inputs with weights that tell the order."""

    def build(self, input_shape):
        self.total = self.add_weight(shape=(), trainable=False, initializer="zeros")

    def call(self, x):
        self.total.assign(0.5 * self.total + keras.ops.mean(x[:, :3] ** 2))
        return keras.layers.Flatten()(x)


@pytest.mark.skipif(
    keras.backend.backend() == "tensorflow", reason="TensorFlow gets tf.data"
)
def test_fit_sees_the_passes_in_order():
    recorder, totals = _Recorder(), []
    model = keras.Sequential([recorder, keras.layers.Dense(23)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: totals.append(float(recorder.total.value))
    )
    data = datasets.from_arrays(X, Y, batch_size=4, shuffle=True, seed=3)
    model.fit(data, epochs=3, shuffle=False, verbose=0, callbacks=[note])
    total, oracle = 0.0, []
    plain = datasets.from_arrays(X, Y, batch_size=4, shuffle=True, seed=3)
    for _ in range(3):
        for x, _ in plain:
            total = 0.5 * total + np.mean(x[:, :3] ** 2)
        oracle.append(total)
    np.testing.assert_allclose(totals, oracle, rtol=1e-5)
    assert len(set(totals)) == 3


class _Asked(NumpyStream):
    """Notes the numbers of the batches that Keras asks for."""

    def __getitem__(self, index):
        self.numbers.append(index)
        return super().__getitem__(index)


def test_adversarial_training_keeps_the_order_of_a_stream():
    data = _Asked(passes(batch_size=2))
    model = keras_mpat.AdversarialModel(
        keras.Sequential(
            [keras.Input((6, 5, 3)), keras.layers.Flatten(), keras.layers.Dense(23)]
        ),
        strategy=keras_mpat.training.StandardTraining(),
    )
    model.compile("sgd")
    data.numbers = []
    model.fit(data, epochs=2, verbose=0)
    assert data.numbers[-12:] == list(range(12))


WITHOUT_TENSORFLOW = """
import sys


class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, NotInstalled())
import hashlib
import keras
import numpy as np
import keras_mpat as mpat
from keras_mpat import datasets

train = datasets.load("digits_2", "train", batch_size=100, limit=400, seed=5,
                      augment=datasets.PadCropFlip(padding=1))
assert isinstance(train, keras.utils.PyDataset)
sums = [hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest() for x, y in train]
model = mpat.AdversarialModel(
    mpat.models.lenet(num_classes=2, input_shape=(8, 8, 1)),
    strategy=mpat.training.FastTraining(mpat.Linf(0.1)),
)
model.compile(optimizer="sgd", metrics=["accuracy"])
history = model.fit(train, epochs=1, verbose=0)
assert np.isfinite(history.history["loss"]).all()
x, y, _ = datasets.arrays("digits_2", "test")
batch = datasets.balanced(x, y, examples_per_class=4)[0][1]
assert batch.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
folder = datasets.arrays("folder:" + sys.argv[1], "all")[0]
assert folder.shape == (6, 8, 8, 3)
try:
    datasets.load("mnist", "train")
except ImportError as error:
    assert "TensorFlow" in str(error)
else:
    raise SystemExit("mnist was read")
assert "tensorflow" not in sys.modules
print(*sums)
"""


def test_without_tensorflow_jax_trains_on_the_same_batches(tmp_path):
    pytest.importorskip("jax")
    class_folders(tmp_path, {"a": 3, "b": 3})
    root = str(pathlib.Path(keras_mpat.__path__[0]).parent)
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": path, "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    here = datasets.load(
        "digits_2",
        "train",
        batch_size=100,
        limit=400,
        seed=5,
        augment=datasets.PadCropFlip(padding=1),
    )
    sums = [
        hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest()
        for x, y in here.as_numpy_iterator()
    ]
    assert done.stdout.split() == sums
