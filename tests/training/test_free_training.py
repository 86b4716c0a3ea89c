"""FreeTraining: the published vector, the persistent perturbation, replays."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat import training
from tests import toy

BATCHES = [([[0.5, 0.97]], [0]), ([[0.02, 0.4]], [1])]
LOSSES = [0.84747955, 0.30863169, 0.91849765, 0.94997232]
DELTAS = [[-0.1, 0.03], [-0.1, -0.07], [0.08, 0.03], [0.1, 0.1]]
MIDDLE = [[0.59197273, 0.71991001], [-0.39197273, -0.51991001]]
FINAL = [[0.5306479, 0.25792226], [-0.3306479, -0.05792226]]


def linear_model(replays, eager):
    classifier = keras.Sequential(
        [keras.Input((2,)), layers.Dense(2, use_bias=False, name="logits")]
    )
    classifier.set_weights([np.array([[0.2, -0.1], [0, 0.3]], "float32").T])
    model = mpat.AdversarialModel(
        classifier,
        strategy=training.FreeTraining(mpat.Linf(0.1), replays=replays, batch_size=1),
    )
    model.compile(keras.optimizers.SGD(1.0), run_eagerly=eager)
    return model


def kernel(model):
    return model.classifier.get_weights()[0].T


def delta(model):
    return ops.convert_to_numpy(model.strategy_state["perturbation"].value)


@pytest.mark.parametrize("eager", [True, False], ids=["eager", "graph"])
def test_published_vector(eager):
    model = linear_model(replays=2, eager=eager)
    for number, (x, y) in enumerate(BATCHES):
        logs = model.train_on_batch(
            np.array(x, "float32"), np.array(y), return_dict=True
        )
        # Only the last replay of a batch counts in the metrics.
        losses = LOSSES[2 * number + 1]
        assert logs["loss"] == pytest.approx(losses, rel=1e-5)
        np.testing.assert_allclose(delta(model), [DELTAS[2 * number + 1]], atol=1e-6)
        np.testing.assert_allclose(kernel(model), (MIDDLE, FINAL)[number], rtol=1e-5)
        model.reset_metrics()
    assert int(model.optimizer.iterations) == 4


def test_published_vector_replay_by_replay():
    """The same numbers when each replay is a batch of its own: delta persists."""
    model = linear_model(replays=1, eager=True)
    number = 0
    for x, y in BATCHES:
        for _ in range(2):
            x, y = np.array(x, "float32"), np.array(y)
            if number == 2:
                entry = model.perturb(ops.convert_to_tensor(x), y)["adversarial"]
                np.testing.assert_allclose(
                    ops.convert_to_numpy(entry) - x, [[-0.02, -0.07]], atol=1e-6
                )
            logs = model.train_on_batch(x, y, return_dict=True)
            assert logs["loss"] == pytest.approx(LOSSES[number], rel=1e-5)
            np.testing.assert_allclose(delta(model), [DELTAS[number]], atol=1e-6)
            model.reset_metrics()
            number += 1
    np.testing.assert_allclose(kernel(model), FINAL, rtol=1e-5)


def free(replays=2, batch_size=16, epsilon=0.1, **kwargs):
    strategy = training.FreeTraining(
        mpat.Linf(epsilon), replays=replays, batch_size=batch_size
    )
    return toy.model(strategy, **kwargs)


def test_metrics_count_a_batch_once_and_the_optimizer_every_replay():
    x, y = toy.data(40)
    model = free(replays=3, eager=False)
    logs = model.fit(x, y, batch_size=16, epochs=2, verbose=0, shuffle=False).history
    assert int(model.optimizer.iterations) == 3 * 3 * 2
    counts = {
        metric.name: float(metric.count)
        for metric in model.metrics
        if metric.name in ("loss", "ce_loss")
    }
    assert counts == {"loss": 40.0, "ce_loss": 40.0}
    assert logs["accuracy"][-1] > 0.8


def test_metrics_are_those_of_the_last_replay():
    x, y = toy.data(16)
    model, twin = free(replays=2), free(replays=1)
    logs = model.train_on_batch(x, y, return_dict=True)
    twin.train_on_batch(x, y)
    twin.reset_metrics()
    expected = twin.train_on_batch(x, y, return_dict=True)
    for key in ("loss", "ce_loss", "accuracy"):
        assert logs[key] == pytest.approx(expected[key], rel=1e-5), key


def test_perturbation_persists_and_a_smaller_batch_leaves_the_other_rows():
    x, y = toy.data(16)
    model = free()
    model.train_on_batch(x, y)
    first = delta(model)
    assert np.all(np.abs(first).max(axis=-1) > 0.05)
    model.train_on_batch(x[:5], y[:5])
    second = delta(model)
    np.testing.assert_array_equal(second[5:], first[5:])
    assert not np.array_equal(second[:5], first[:5])


def test_the_perturbation_moves_only_where_the_gradient_is_not_zero():
    classifier = toy.net(batch_norm=False)
    kernel = classifier.layers[0].kernel
    blind = ops.convert_to_numpy(kernel.value)
    blind[2] = 0.0  # the third feature does not matter
    kernel.assign(blind)
    x, y = toy.data(16)
    model = free(replays=1, classifier=classifier)
    model.train_on_batch(x, y)
    moved = np.abs(delta(model)).max(axis=0)
    assert moved[2] == 0.0
    assert np.all(moved[[0, 1, 3]] > 0.05)


def test_the_head_takes_part_in_the_ascent():
    x, y = toy.data(16)
    plain = free(replays=1)
    headed = free(replays=1, head=toy.head(), head_weight=100.0)
    for model in (plain, headed):
        model.train_on_batch(x, y)
    assert not np.array_equal(delta(plain), delta(headed))


def test_one_replay_with_a_tiny_ball_is_clean_training():
    x, y = toy.data(16)
    model = free(replays=1, epsilon=1e-7, head=toy.head())
    clean = toy.model(training.StandardTraining(), head=toy.head())
    for _ in range(3):
        model.train_on_batch(x, y)
        clean.train_on_batch(x, y)
    toy.assert_same(
        toy.values(model.classifier.variables + model.head.variables),
        toy.values(clean.classifier.variables + clean.head.variables),
        rtol=1e-4,
        atol=1e-6,
    )


def test_the_catcher_is_no_ordinary_weight():
    """Nothing of the perturbation or its gradient ends up in the classifier file."""
    model = free()
    x, y = toy.data(16)
    model.train_on_batch(x, y)
    assert len(model.classifier.weights) == len(toy.net().weights)
    gradient = ops.convert_to_numpy(model.strategy_state["input_gradient"].value)
    assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("stream", [False, True], ids=["arrays", "tf.data"])
def test_too_large_a_batch_is_named_before_training(stream):
    x, y = toy.data(32)
    model = free(batch_size=8, eager=False)
    before = toy.values(model.variables)
    data, kwargs = (x, y), {"batch_size": 16}
    if stream:
        tf = pytest.importorskip("tensorflow")
        data, kwargs = (tf.data.Dataset.from_tensor_slices((x, y)).batch(16),), {}
    with pytest.raises(ValueError, match="`batch_size` of FreeTraining must be at"):
        model.fit(*data, verbose=0, **kwargs)
    toy.assert_same(toy.values(model.variables), before)


def test_gradient_accumulation_is_refused():
    model = free()
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    with pytest.raises(ValueError, match="gradient_accumulation_steps=2"):
        model.compile(optimizer)


@pytest.mark.parametrize(
    "arguments", [{"replays": 0}, {"batch_size": 0}, {"replays": 2.0}], ids=repr
)
def test_wrong_counts_are_named(arguments):
    (name,) = arguments
    with pytest.raises(ValueError, match=f"^`{name}` must be an integer >= 1"):
        training.FreeTraining(mpat.Linf(0.1), **arguments)


def test_ascent_of_ce_is_that_of_the_total_without_other_terms():
    """And it differs from it when the head has a say in the input gradient."""
    x, y = toy.data(16)
    deltas = {}
    for ascent in ("total", "ce"):
        for weight in (0.0, 50.0):
            strategy = training.FreeTraining(
                mpat.L2(0.3), replays=2, batch_size=16, ascent=ascent
            )
            model = toy.model(strategy, head=toy.head(), head_weight=weight)
            for _ in range(2):
                model.train_on_batch(x, y)
            deltas[ascent, weight] = delta(model)
    np.testing.assert_allclose(
        deltas["ce", 0.0], deltas["total", 0.0], rtol=1e-3, atol=1e-4
    )
    assert np.abs(deltas["ce", 50.0] - deltas["total", 50.0]).max() > 0.01


@pytest.mark.parametrize(
    "kwargs", [{"gradient_accumulation_steps": 2}, {"use_ema": True}], ids=str
)
def test_ascent_of_ce_combines_with_what_keras_averages(kwargs):
    """Its input gradient is none of Keras' own: the perturbation is that without."""
    x, y = toy.data(16)
    deltas = []
    for given in (kwargs, {}):
        strategy = training.FreeTraining(
            mpat.L2(0.3), replays=1, batch_size=16, ascent="ce"
        )
        model = toy.model(strategy)
        model.compile(keras.optimizers.SGD(0.1, **given), run_eagerly=True)
        model.train_on_batch(x, y)
        deltas.append(delta(model))
    np.testing.assert_array_equal(*deltas)
    assert np.abs(deltas[0]).max() > 0.01
