"""What every head promises, on each backend."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_mpat
from tests.contracts.heads_table import CLASSES, FEATURES, HEADS, PER_BATCH

pytestmark = pytest.mark.parametrize("make", HEADS.values(), ids=HEADS.keys())


def _data(n=24):
    rng = np.random.default_rng(0)
    y = np.arange(n) % CLASSES
    centers = 3 * rng.standard_normal((CLASSES, FEATURES))
    x = centers[y] + 0.3 * rng.standard_normal((n, FEATURES))
    return x.astype("float32"), y.astype("int32")


def _sequential(head):
    return keras.Sequential([keras.Input((FEATURES,)), keras.layers.Dense(5), head])


def test_maps_embeddings_to_float32_similarities(make):
    x, _ = _data()
    head = make()
    logits = head(x.astype("float16"))
    assert tuple(logits.shape) == (len(x), CLASSES)
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    assert np.all(np.isfinite(ops.convert_to_numpy(logits)))
    assert head.compute_output_shape((None, FEATURES)) == (None, CLASSES)


def test_each_row_depends_on_its_own_example_only(make):
    x, _ = _data()
    head = make()
    together = ops.convert_to_numpy(head(x))
    alone = np.concatenate([ops.convert_to_numpy(head(row[None])) for row in x])
    np.testing.assert_allclose(alone, together, rtol=1e-5, atol=1e-5)


def test_call_adds_the_regularizer_once(make):
    x, _ = _data()
    model = _sequential(make())
    model(x)
    (added,) = model.losses
    np.testing.assert_allclose(
        float(added), float(model.layers[-1].regularization()), rtol=1e-6
    )
    assert float(added) >= 0


def test_loss_has_no_variables_and_accepts_every_label_form(make, request):
    x, y = _data()
    head = make()
    logits = head(x)
    loss = head.loss()
    expected = float(loss(y, logits))
    for form in (y[:, None], y.astype("float32"), np.eye(CLASSES, dtype="float32")[y]):
        np.testing.assert_allclose(float(loss(form, logits)), expected, rtol=1e-6)
    per_example = type(loss).from_config({**loss.get_config(), "reduction": "none"})
    values = ops.convert_to_numpy(per_example(y, logits))
    row = request.node.callspec.id
    assert values.shape == ((1,) if row in PER_BATCH else (len(y),))
    np.testing.assert_allclose(values.mean(), expected, rtol=1e-5)


def test_trains_every_active_prototype_and_lowers_the_loss(make):
    x, y = _data()
    keras.utils.set_random_seed(1)
    head = make()
    model = _sequential(head)
    before = [ops.convert_to_numpy(weight).copy() for weight in head.trainable_weights]
    model.compile(keras.optimizers.SGD(0.05), loss=head.loss())
    losses = model.fit(x, y, batch_size=12, epochs=20, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    for old, weight in zip(before, head.trainable_weights, strict=True):
        moved = np.abs(ops.convert_to_numpy(weight) - old).reshape(-1, FEATURES - 1)
        assert np.all((moved.max(axis=-1) > 0) == (_active(head, len(moved)) > 0))


def _active(head, count):
    """The mask of the prototypes, flat; a head without one has `count` in use."""
    masks = [w for w in head.non_trainable_weights if w.name == "active"]
    if not masks:
        return np.ones(count)
    return ops.convert_to_numpy(masks[0]).reshape(-1)


def test_config_and_file_round_trip(make, tmp_path):
    x, y = _data()
    head = make()
    config = keras.saving.serialize_keras_object(head)
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == head.get_config()
    model = _sequential(head)
    model.compile("sgd", loss=head.loss())
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "head.keras")
    loaded = keras.models.load_model(tmp_path / "head.keras")
    np.testing.assert_array_equal(
        model.predict(x, verbose=0), loaded.predict(x, verbose=0)
    )
    assert loaded.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)


def test_works_in_an_adversarial_model(make):
    x, y = _data()
    x = (x - x.min()) / (x.max() - x.min())
    net = keras.Sequential(
        [
            keras.Input((FEATURES,)),
            keras.layers.Dense(5, activation="tanh"),
            keras.layers.Dense(CLASSES),
        ]
    )
    ball = keras_mpat.Linf(0.05)
    model = keras_mpat.AdversarialModel(
        net, strategy=keras_mpat.training.PGDTraining(ball, steps=2), head=make()
    )
    model.compile(keras.optimizers.SGD(0.1), metrics=["accuracy"])
    history = model.fit(x, y, epochs=8, batch_size=12, verbose=0).history
    assert history["head_loss"][-1] < history["head_loss"][0]


@pytest.mark.parametrize("place", ["linear", "head"])
def test_fits_and_predicts_from_either_place(make, place):
    x, y = _data()
    x = (x - x.min()) / (x.max() - x.min())
    keras.utils.set_random_seed(1)
    net = keras.Sequential(
        [keras.Input((FEATURES,)), keras.layers.Dense(5), keras.layers.Dense(CLASSES)]
    )
    strategy = keras_mpat.training.PGDTraining(keras_mpat.Linf(0.01), steps=1)
    model = keras_mpat.AdversarialModel(
        net, strategy=strategy, head=make(), predict_from=place
    )
    model.compile(keras.optimizers.Adam(0.05), metrics=["accuracy"])
    logs = model.fit(x, y, epochs=8, batch_size=12, verbose=0).history
    assert logs["loss"][-1] < logs["loss"][0]
    evaluated = model.evaluate(x, y, verbose=0, return_dict=True)["accuracy"]
    predicted = model.predict(x, verbose=0).argmax(axis=1)
    assert evaluated == pytest.approx(np.mean(predicted == y))
