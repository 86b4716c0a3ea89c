"""Wrong inputs are named before training starts: nothing has moved yet."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers

import keras_mpat as mpat
from keras_mpat import training
from keras_mpat.input_checks import check_scale
from tests import toy

X, Y = toy.data(8)
PGD = training.PGDTraining(mpat.Linf(0.1), steps=1)


def build(classifier=None, **kwargs):
    kwargs = {"strategy": PGD, **kwargs}
    return mpat.AdversarialModel(classifier or toy.net(), **kwargs)


def with_last(*last):
    return keras.Sequential([keras.Input((4,)), layers.Dense(3), *last])


def two_outputs():
    x = keras.Input((4,))
    return keras.Model(x, [layers.Dense(2)(x), layers.Dense(2)(x)])


WRONG_MODELS = {
    "strategy class": (dict(strategy=training.StandardTraining), "`strategy` must be"),
    "strategy name": (dict(strategy="pgd"), "`strategy` must be"),
    "no strategy": (dict(strategy=None), "`strategy` must be"),
    "head class": (dict(head=mpat.SoftTripleHead), "`head` must be"),
    "foreign head": (dict(head=layers.Dense(2)), "`head` must be"),
    "attack name": (dict(validation_attack="pgd"), "`validation_attack` must be"),
    "head_weight": (dict(head_weight=-1.0), "`head_weight` must be >= 0"),
    "nan weight": (dict(head_weight=float("nan")), "`head_weight` must be >= 0"),
    "regularizer_weight": (
        dict(regularizer="weights", regularizer_weight=-1.0),
        "`regularizer_weight` must be >= 0",
    ),
    "weight without regularizer": (
        dict(regularizer_weight=0.1),
        "`regularizer_weight` has no effect without `regularizer`",
    ),
    "regularizer": (dict(regularizer="l2"), "`regularizer` must be 'weights'"),
    "head of other classes": (
        dict(head=mpat.SoftTripleHead(3)),
        r"`head` must have the classifier's 2 classes.*SoftTripleHead\(2\)",
    ),
    "unbuilt": (
        dict(classifier=keras.Sequential([layers.Dense(2)])),
        r"must be built.*keras\.Input\(shape=",
    ),
    "no model": (dict(classifier=lambda x: x), "`classifier` must be a keras.Model"),
    "one logit": (dict(classifier=with_last(layers.Dense(1))), r"Dense\(2\)"),
    "a map": (
        dict(classifier=with_last(layers.Reshape((3, 1)))),
        "C >= 2 logits",
    ),
    "unknown feature layer": (
        dict(head=mpat.SoftTripleHead(2), feature_layer="nothing"),
        "`feature_layer` must name",
    ),
}


@pytest.mark.parametrize("case", WRONG_MODELS)
def test_wrong_models_are_named(case):
    kwargs, message = WRONG_MODELS[case]
    with pytest.raises(ValueError, match=message):
        build(**kwargs)


def test_two_outputs_are_named():
    with pytest.raises(ValueError, match="one output"):
        build(two_outputs())


WRONG_DATA = {
    "uint8": ((X * 255).astype("uint8"), Y, r"`x` must be a float array.*/ 255"),
    "ints": (X.astype("int32"), Y, "`x` must be a float array"),
    "0-255": (X * 255, Y, "`x` must lie in the threat model's bounds"),
    "negative": (X - 1, Y, "`x` must lie in the threat model's bounds"),
    "nan": (np.where(X == X[5, 2], np.nan, X), Y, "`x` must be finite"),
    "infinity": (np.where(X == X[5, 2], np.inf, X), Y, "`x` must be finite"),
    "label too high": (X, Y + 1, "`y` must hold the classes 0 … 1"),
    "label negative": (X, Y - 1, "`y` must hold the classes 0 … 1"),
    "fractional": (X, Y + 0.5, "`y` must hold the classes 0 … 1"),
    "wide": (X, np.eye(3)[Y], r"`y` must be labels \(N,\)"),
    "one-hot": (X, np.eye(2)[Y], "`y` must hold class numbers"),
}


@pytest.mark.parametrize("where", ["training", "validation", "stream"])
@pytest.mark.parametrize("case", WRONG_DATA)
def test_wrong_data_is_named_and_nothing_has_moved(case, where):
    x, y, message = WRONG_DATA[case]
    model = toy.model(PGD)
    before = toy.values(model.variables)
    data, kwargs = (x, y), {}
    if where == "validation":
        data, kwargs = (X, Y), {"validation_data": (x, y)}
    if where == "stream":
        tf = pytest.importorskip("tensorflow")
        data = (tf.data.Dataset.from_tensor_slices((x, y)).batch(8),)
    with pytest.raises(ValueError, match=message):
        model.fit(*data, verbose=0, **kwargs)
    toy.assert_same(toy.values(model.variables), before)


def test_bounds_of_the_validation_attack_are_checked_too():
    attack = mpat.attacks.FGSM(mpat.Linf(0.1))
    model = toy.model(training.StandardTraining(), validation_attack=attack)
    with pytest.raises(ValueError, match="must lie in the threat model's bounds"):
        model.fit(X * 255, Y, verbose=0)


def test_gray_levels_with_their_bounds_train():
    model = toy.model(
        training.PGDTraining(mpat.Linf("8/255", bounds=(0, 255)), steps=1)
    )
    history = model.fit(X * 255, Y, verbose=0).history
    assert np.isfinite(history["loss"][0])


@pytest.mark.parametrize(
    "loss",
    [
        "sparse_categorical_crossentropy",
        "categorical_crossentropy",
        keras.losses.SparseCategoricalCrossentropy(),
        keras.losses.CategoricalCrossentropy(),
    ],
    ids=["sparse-name", "name", "sparse", "categorical"],
)
def test_losses_on_probabilities_are_refused(loss):
    model = build()
    with pytest.raises(ValueError, match="`loss` must take logits.*from_logits=True"):
        model.compile("sgd", loss=loss)


@pytest.mark.parametrize("loss", ["mse", "categorical_hinge", "hinge", "huber"])
def test_class_numbers_for_a_loss_on_all_logits_are_named(loss):
    model = build()
    model.compile("sgd", loss=loss, run_eagerly=True)
    with pytest.raises(ValueError, match="`y` must hold one-hot labels"):
        model.fit(X, Y, verbose=0)
    model.fit(X, np.eye(2, dtype="float32")[Y], verbose=0)


def test_a_loss_of_ones_own_decides_about_its_labels_itself():
    model = build()
    model.compile("sgd", loss=lambda y, z: keras.ops.mean(z, -1), run_eagerly=True)
    model.fit(X, Y, verbose=0)


def test_weights_that_are_right_train():
    model = toy.model(PGD)
    model.fit(X, Y, sample_weight=np.ones((8, 1)), verbose=0)
    model.fit(X, Y, class_weight={0: 0, np.int64(1): 2.5}, verbose=0)
    model.fit(toy.stream((X, Y, np.ones(8))), steps_per_epoch=1, verbose=0)
    logs = model.train_on_batch(X, Y, np.ones(8), return_dict=True)
    assert np.isfinite(logs["loss"])


def test_a_radius_below_the_spread_of_the_inputs_is_no_mistake():
    levels = {"bounds": (0, 255)}
    x = np.linspace(0.0, 1.0, 8, dtype="float32").reshape(2, 4)
    check_scale(x, mpat.Linf(0.5, **levels))
    check_scale(x, mpat.L2(1.9, **levels))  # below 1 * sqrt(4)
    check_scale(x, mpat.Linf([0.0, 0.1, 9, 9], **levels))
    check_scale(x, mpat.Linf(0.0, **levels))
    check_scale(0 * x, mpat.Linf("8/255", **levels))  # nothing to tell by
    check_scale(100 + x, mpat.Linf("8/255", **levels))  # gray levels, alike
    check_scale(0.5 + 0.1 * x, mpat.Linf(0.2))  # low contrast
    small = mpat.Linf(1.1, **levels)
    for ball in (small, mpat.L2(2.1, **levels), mpat.Linf([0.0, 2, 2, 2], **levels)):
        with pytest.raises(ValueError, match=r"spread further.* bounds=\(0, 1\)\."):
            check_scale(x, ball)


def test_a_seed_of_numpy_is_a_seed():
    model = build(seed=np.int64(3))
    assert model.get_config()["seed"] == 3 and type(model.seed) is int


def test_unbatched_pipelines_are_told_to_batch():
    tf = pytest.importorskip("tensorflow")
    for labels in (Y, np.eye(2)[Y]):
        stream = tf.data.Dataset.from_tensor_slices((X, labels))
        with pytest.raises(ValueError, match=r"data\.batch\(128\)"):
            toy.model(PGD).fit(stream, verbose=0)


def test_class_numbers_for_a_categorical_loss_are_named():
    model = build()
    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss=loss, run_eagerly=True)
    with pytest.raises(ValueError, match="`y` must hold one-hot labels"):
        model.fit(X, Y, verbose=0)


def test_batches_without_labels_are_named():
    tf = pytest.importorskip("tensorflow")
    stream = tf.data.Dataset.from_tensor_slices((X,)).batch(4)
    with pytest.raises(ValueError, match=r"`x` must yield \(inputs, labels\)"):
        toy.model(PGD).fit(stream, verbose=0)


def collapse_warnings(classifier, y, learning_rate, batch_size=4, epochs=1):
    model = toy.model(
        training.StandardTraining(),
        classifier=classifier,
        eager=False,
        learning_rate=learning_rate,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        x, _ = toy.data(len(y))
        model.fit(x, y, batch_size=batch_size, epochs=epochs, verbose=0)
    return [str(w.message) for w in caught if "chance:" in str(w.message)]


def constant():
    """One class for everything, at a loss of about log 2."""
    classifier = toy.net()
    last = classifier.layers[-1]
    last.set_weights([np.zeros((8, 2)), np.array([0.01, 0.0])])
    classifier.trainable = False
    return classifier


def test_a_collapse_is_named_within_an_epoch():
    _, y = toy.data(96)
    (message,) = collapse_warnings(constant(), y, 0.1)
    assert "epoch 1" in message
    assert "`warmup_epochs=2`" in message
    assert "chance: 0.69" in message


def test_two_epochs_at_chance_are_named_whatever_is_predicted():
    """Both classes are predicted, but for no reason: the loss stays at log 2."""
    x, y = toy.data(96)
    classifier = toy.net()
    weights = np.random.default_rng(0).normal(size=(8, 2)) / 100
    classifier.layers[-1].set_weights([weights, np.zeros(2)])
    classifier.trainable = False
    logits = classifier.predict(x, verbose=0)
    middle = np.median(logits[:, 0] - logits[:, 1])
    classifier.layers[-1].set_weights([weights, np.array([-middle, 0.0])])
    guesses = np.argmax(classifier.predict(x, verbose=0), axis=-1)
    assert guesses.mean() == 0.5
    y = np.random.default_rng(0).permutation(y)
    assert collapse_warnings(classifier, y, 0.1, epochs=1) == []
    (message,) = collapse_warnings(classifier, y, 0.1, epochs=4)
    assert "not learned anything in epochs 1 and 2" in message


def test_a_collapse_on_unbalanced_classes_is_named_too():
    y = (np.arange(96) % 4 == 0).astype("int32")
    last = np.array([np.log(3.0), 0.0])  # the shares themselves: nothing learned
    classifier = constant()
    classifier.layers[-1].set_weights([np.zeros((8, 2)), last])
    (message,) = collapse_warnings(classifier, y, 0.1)
    assert "chance: 0.5" in message


def test_a_healthy_run_gives_no_warning():
    _, y = toy.data(96)
    assert collapse_warnings(toy.net(), y, 0.05, epochs=2) == []


def test_data_of_one_class_is_no_collapse():
    assert collapse_warnings(constant(), np.zeros(96, "int32"), 0.1) == []


def test_a_few_batches_raise_no_alarm():
    _, y = toy.data(96)
    assert collapse_warnings(constant(), y, 0.1, batch_size=32) == []
