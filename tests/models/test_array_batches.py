"""Arrays that `fit`, `evaluate` and `predict` get: their batches, order and weights."""

import gc
import warnings
import weakref

import keras
import numpy as np
import pytest
from keras import ops

from keras_mpat import training
from keras_mpat.callbacks import FullState
from keras_mpat.models import array_batches
from tests import toy

X = np.arange(10, dtype="float64")[:, None]
Y = np.arange(10)


def passes(*arrays, epochs=1, **options):
    """Per epoch, its batches as NumPy arrays."""
    stream, order = array_batches.batches(*arrays, **options)
    shown = []
    for epoch in range(epochs):
        order.on_epoch_begin(epoch)
        shown.append([tuple(map(ops.convert_to_numpy, batch)) for batch in stream])
    return shown


def rows(*arrays, **options):
    """Per epoch, the first column of its batches as lists."""
    return [
        [batch[0].ravel().tolist() for batch in epoch]
        for epoch in passes(*arrays, **options)
    ]


def test_batches_in_the_order_of_the_data():
    (shown,) = passes(X, Y, None, batch_size=4)
    assert [len(x) for x, _ in shown] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate([x for x, _ in shown]), X)
    np.testing.assert_array_equal(np.concatenate([y for _, y in shown]), Y)
    assert shown[0][0].dtype == "float32" and shown[0][1].dtype == Y.dtype
    assert rows(X, batch_size=4, drop_remainder=True) == [
        [[0.0, 1.0, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]
    ]
    assert [len(batch) for batch in rows(X, steps=4)[0]] == [3, 3, 3, 1]
    assert [len(batch) for batch in rows(np.zeros((70, 1)))[0]] == [32, 32, 6]


@pytest.mark.parametrize("kind", [np.asarray, ops.convert_to_tensor])
def test_each_kind_of_array_and_number(kind):
    pixels = kind(np.array([[0], [128], [255]], "uint8"))
    weights = kind(np.array([0.5, 1.0, 2.0], "float16"))
    ((x, y, w),) = passes(pixels, kind(np.eye(3, dtype="int32")), weights)[0]
    assert (x.dtype, w.dtype) == ("uint8", "float32")
    np.testing.assert_array_equal(y, np.eye(3))
    np.testing.assert_array_equal(w, [0.5, 1.0, 2.0])


def test_the_order_is_a_function_of_seed_and_epoch():
    options = {"batch_size": 4, "shuffle": True, "epochs": 3}
    shown = rows(X, seed=5, **options)
    keras.utils.set_random_seed(7)
    assert rows(X, seed=5, **options) == shown
    assert rows(X, seed=6, **options)[0] != shown[0]
    for epoch in shown:
        assert [len(batch) for batch in epoch] == [4, 4, 2]
        assert sorted(sum(epoch, [])) == list(range(10))
    assert len({str(epoch) for epoch in shown}) == 3
    for epoch in rows(X, seed=5, **options | {"shuffle": "batch"}):
        assert [sorted(batch) for batch in epoch] == rows(X, batch_size=4)[0]
        assert sum(epoch, []) != sorted(sum(epoch, []))


def model(strategy=None, *, eager=False, **options):
    return toy.model(strategy or training.StandardTraining(), eager=eager, **options)


class Seen(keras.callbacks.Callback):
    """The loss of each batch, epoch after epoch."""

    def on_train_begin(self, logs=None):
        self.epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs.append([])

    def on_train_batch_end(self, batch, logs=None):
        self.epochs[-1].append(logs["loss"])


def test_epochs_differ_after_a_global_seed():
    """Keras on TensorFlow would show the same batches in each epoch."""
    keras.utils.set_random_seed(3)
    net = toy.net(batch_norm=False)
    still = model(classifier=net, learning_rate=0.0)
    seen = Seen()
    still.fit(*toy.data(48), batch_size=16, epochs=3, verbose=0, callbacks=[seen])
    assert len({tuple(np.round(epoch, 5)) for epoch in seen.epochs}) == 3


def test_shuffled_arrays_go_on_as_if_never_interrupted(tmp_path):
    def part(folder, epochs):
        resumed = model()
        resumed.fit(
            *toy.data(40),
            batch_size=16,
            epochs=epochs,
            verbose=0,
            callbacks=[FullState(folder)],
        )
        return toy.values(resumed.variables)

    whole = part(tmp_path / "whole", 4)
    part(tmp_path / "part", 2)
    for one, other in zip(part(tmp_path / "part", 4), whole, strict=True):
        np.testing.assert_array_equal(one, other)


def test_epochs_shorter_than_the_data_go_through_it_once():
    """With `steps_per_epoch`, a pass goes on in the next epoch."""
    seen = []

    class Counted(training.StandardTraining):
        def perturb(self, adversarial, x, y):
            seen.append(ops.convert_to_numpy(x)[:, 0])
            return super().perturb(adversarial, x, y)

    x, y = toy.data(32)
    options = {"batch_size": 8, "steps_per_epoch": 2, "epochs": 4, "verbose": 0}
    model(Counted(), eager=True).fit(x, y, **options)
    seen = seen[-8:]  # the first may have been a look
    first, second = (np.concatenate(seen[half : half + 4]) for half in (0, 4))
    np.testing.assert_array_equal(np.sort(first), np.sort(x[:, 0]))
    np.testing.assert_array_equal(np.sort(second), np.sort(x[:, 0]))
    assert not np.array_equal(first, second)


def test_a_run_of_shorter_epochs_that_goes_on_says_what_it_cannot(tmp_path):
    options = {"batch_size": 8, "steps_per_epoch": 2, "verbose": 0}
    for epochs in (2, 3):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            state = FullState(tmp_path)
            model().fit(*toy.data(32), epochs=epochs, callbacks=[state], **options)
        found = [str(each.message) for each in told]
        anew = [each for each in found if each.startswith("Epoch 3 begins a new pass")]
        assert len(anew) == (epochs == 3), found


def test_class_weights_count_in_training_alone():
    x, y = toy.data(32)
    options = {"batch_size": 8, "shuffle": False, "verbose": 0}
    options["class_weight"] = {0: 0.2, 1: 3.0}
    one, other = model(), model()
    split = one.fit(x, y, validation_split=0.25, **options).history
    held_out = (x[24:], y[24:])
    apart = other.fit(x[:24], y[:24], validation_data=held_out, **options).history
    toy.assert_same(toy.values(one.weights), toy.values(other.weights))
    np.testing.assert_allclose(split["val_loss"], apart["val_loss"], rtol=1e-6)


def test_evaluate_and_predict_read_arrays_as_streams():
    x, y = toy.data(40)
    weights = np.linspace(0, 2, 40).astype("float32")
    trained = model()
    logs = trained.evaluate(x, y, batch_size=16, verbose=0, return_dict=True)
    streamed = array_batches.batches(x, y, batch_size=16)[0]
    assert logs == trained.evaluate(streamed, verbose=0, return_dict=True)
    weighted = trained.evaluate(
        x, y, sample_weight=weights, verbose=0, return_dict=True
    )
    assert weighted["loss"] != logs["loss"]
    for data in (x, ops.convert_to_tensor(x)):
        for options in ({}, {"batch_size": 7}, {"steps": 3}):
            np.testing.assert_allclose(
                trained.predict(data, verbose=0, **options),
                trained.classifier.predict(x, verbose=0),
                rtol=1e-5,
                atol=1e-6,
            )


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of tf.data")
def test_no_tuner_makes_the_end_of_an_epoch_wait():
    """It sleeps up to a minute when an iterator is given up (DESIGN.md, 117)."""
    data, _ = array_batches.batches(X, Y, batch_size=4)
    assert data.options().autotune.enabled is False
    assert data.element_spec[0].shape == (None, 1) and len(data) == 3
    assert array_batches.batches(X, batch_size=5)[0].element_spec[0].shape == (5, 1)


def test_what_cannot_be_split_or_weighted_is_refused():
    x, y = toy.data(8)
    with pytest.raises(ValueError, match="`validation_split` must leave .* of 8 exam"):
        model().fit(x, y, validation_split=0.99, verbose=0)
    both = {"class_weight": {0: 2.0}, "sample_weight": np.ones(8)}
    with pytest.raises(ValueError, match="`class_weight` must be None where there"):
        model().fit(x, y, verbose=0, **both)
    with pytest.raises(ValueError, match="`class_weight` must be None where there"):
        model().train_on_batch(x, y, **both)


def test_split_and_class_weights():
    given = (X, Y, None)
    (x, y, w), (held_x, held_y, held_w) = array_batches.split(given, 0.25)
    assert w is held_w is None
    assert (len(x), len(y), len(held_x), len(held_y)) == (7, 7, 3, 3)
    np.testing.assert_array_equal(held_y, [7, 8, 9])
    weights = array_batches.example_weights(np.array([0, 2, 1, 2]), {2: 0.5, 0: 3.0})
    np.testing.assert_array_equal(weights, [3.0, 0.5, 1.0, 0.5])


def test_fit_lets_go_of_its_model():
    model = toy.model(training.StandardTraining(), eager=False)
    model.fit(*toy.data(8), batch_size=4, verbose=0)
    told = weakref.ref(model)
    del model
    gc.collect()
    assert told() is None
