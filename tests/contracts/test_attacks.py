"""What every attack promises, for each row of `attacks_table.py` and both norms."""

import dataclasses
import warnings

import keras
import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat import attacks, backend, noise
from keras_mpat.objectives import CrossEntropy
from keras_mpat.threat_models import L2, Linf
from tests.contracts.attacks_table import CASES, IDS, ROWS

EVERY = pytest.mark.parametrize(("row", "norm"), CASES, ids=IDS)
SHAPE = (8, 8, 1)


def _numpy(tensor):
    return ops.convert_to_numpy(tensor)


def _attack(row, norm, epsilon=None, **fields):
    return row.make(norm.ball(norm.epsilon if epsilon is None else epsilon, **fields))


def _labels(count):
    return (np.arange(count) % 10).astype("int32")


@pytest.fixture(scope="session")
def digits():
    """(logits_fn, x, y): a trained net and 40 digits that it gets right, surely."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    pixels, labels = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype("float32")
    net = MLPClassifier(
        (24,), alpha=0.01, learning_rate_init=0.01, max_iter=60, random_state=0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 60 passes are short of its convergence
        net.fit(pixels[:1000], labels[:1000])
    weights = [np.asarray(part, "float32") for part in net.coefs_ + net.intercepts_]

    def logits_fn(x):
        first, second, first_bias, second_bias = weights
        hidden = ops.relu(ops.matmul(ops.reshape(x, (-1, 64)), first) + first_bias)
        return ops.matmul(hidden, second) + second_bias

    sure = np.sort(net.predict_proba(pixels[1000:]), axis=-1)[:, -1] > 0.9
    right = net.predict(pixels[1000:]) == labels[1000:]
    chosen = np.flatnonzero(sure & right)[:40] + 1000
    assert len(chosen) == 40
    return logits_fn, pixels[chosen].reshape(-1, *SHAPE), labels[chosen].astype("int32")


def _random_images(count, seed=0):
    x = np.random.default_rng(seed).uniform(size=(count, *SHAPE)).astype("float32")
    x[:, :2], x[:, 2:4] = 0.0, 1.0
    return x


@EVERY
def test_result_is_in_the_ball_and_the_box(row, norm, digits):
    attack, x = _attack(row, norm), _random_images(12)
    result = attack(digits[0], x, _labels(12), seed=1)
    assert ops.is_tensor(result)
    assert keras.backend.standardize_dtype(result.dtype) == "float32"
    distance = _numpy(attack.threat_model.distance(result, ops.convert_to_tensor(x)))
    result = _numpy(result)
    assert result.shape == x.shape
    assert result.min() >= 0 and result.max() <= 1
    assert np.all(distance <= norm.epsilon + 1e-6)
    assert distance.max() > 0.5 * norm.epsilon


@EVERY
def test_result_depends_on_the_seed_alone(row, norm, digits):
    attack, x, y = _attack(row, norm), _random_images(4), _labels(4)
    first, again, other = (_numpy(attack(digits[0], x, y, seed=s)) for s in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert np.array_equal(first, other) == (not row.random)


@EVERY
def test_result_does_not_depend_on_the_company(row, norm, digits):
    logits_fn, x, y = digits
    attack, keys = _attack(row, norm), noise.keys(5, 8)
    together = _numpy(attack(logits_fn, x[:8], y[:8], keys))
    alone = _numpy(attack(logits_fn, x[5:6], y[5:6], keys[5:6]))
    np.testing.assert_allclose(alone[0], together[5], atol=1e-6)
    assert np.abs(together[5] - x[5]).max() > 1e-3


@EVERY
def test_graph_and_xla_equal_eager_mode(row, norm, digits):
    logits_fn, x, y = digits
    attack, keys = _attack(row, norm), noise.keys(6, len(x))
    x, y = ops.convert_to_tensor(x), ops.convert_to_tensor(y)

    def unsure(x):
        # Of a probability of 0.9999, float32 leaves 1 - p three digits, and the
        # direction of its cross-entropy gradient no more.
        return 0.3 * logits_fn(x)

    def run(x, y, keys):
        x_adv = attack(unsure, x, y, keys)
        return x_adv, CrossEntropy()(y, unsure(x_adv))

    eager, value = (_numpy(part) for part in run(x, y, keys))
    for jit_compile in (False, True):
        compiled = backend.function(run, jit_compile=jit_compile)(x, y, keys)
        result, other = (_numpy(part) for part in compiled)
        assert np.mean(np.abs(result - eager) <= 1e-5) >= 0.999
        np.testing.assert_allclose(other.mean(), value.mean(), rtol=1e-5, atol=1e-5)


def _mean_cross_entropy(logits_fn, x, y):
    logits = logits_fn(ops.convert_to_tensor(x))
    return float(_numpy(ops.mean(CrossEntropy()(y, logits))))


@EVERY
def test_gradients_beat_noise(row, norm, digits):
    logits_fn, x, y = digits
    attack = _attack(row, norm)
    rival = attacks.RandomNoise(attack.threat_model, restarts=1)
    noisy = _mean_cross_entropy(logits_fn, rival(logits_fn, x, y, seed=2), y)
    clean = _mean_cross_entropy(logits_fn, x, y)
    attacked = _mean_cross_entropy(logits_fn, attack(logits_fn, x, y, seed=2), y)
    assert attacked > (2 * noisy if row.climbs else clean)


@pytest.mark.parametrize(
    ("row", "norm"),
    [case for case in CASES if case[0].climbs],
    ids=[name for name, case in zip(IDS, CASES, strict=True) if case[0].climbs],
)
def test_linear_model_is_solved_exactly(row, norm):
    weights = np.random.default_rng(7).normal(size=(64, 2)).astype("float32")
    attack = dataclasses.replace(_attack(row, norm, epsilon=0.1), **row.linear)
    x = _random_images(6)
    if norm.ball is L2:
        x = 0.3 + 0.4 * x  # the box is inactive, else there is no closed form
    y = np.array([0, 1, 0, 1, 0, 1])
    lead = 5.0 * np.eye(2, dtype="float32")[y]  # nothing is fooled on the way

    def logits_fn(x):
        return ops.matmul(ops.reshape(x, (-1, 64)), weights) * 0.1 + lead

    gradient = (weights[:, 1 - y] - weights[:, y]).T.reshape(x.shape)
    if norm.ball is Linf:
        expected, tolerance = np.clip(x + 0.1 * np.sign(gradient), 0, 1), 1e-6
    else:
        length = np.linalg.norm(gradient.reshape(6, -1), axis=-1).reshape(-1, 1, 1, 1)
        expected, tolerance = x + 0.1 * gradient / length, 3e-4
    result = _numpy(attack(logits_fn, x, y, seed=0))
    np.testing.assert_allclose(result, expected, atol=tolerance)


@EVERY
def test_tiny_radius_changes_no_prediction(row, norm, digits):
    logits_fn, x, y = digits
    result = _attack(row, norm, epsilon=1e-5)(logits_fn, x, y, seed=0)
    np.testing.assert_array_equal(_numpy(ops.argmax(logits_fn(result), -1)), y)
    assert 0 < np.abs(_numpy(result) - x).max() <= 1.2e-5


@EVERY
def test_config_round_trip_and_repr(row, norm):
    mutable = np.arange(64).reshape(SHAPE) % 2 == 0
    for attack in (_attack(row, norm), _attack(row, norm, mutable=mutable)):
        config = keras.saving.serialize_keras_object(attack)
        again = keras.saving.deserialize_keras_object(config)
        assert again == attack and hash(again) == hash(attack)
        assert type(attack).__name__ in repr(again) and "epsilon=" in repr(again)
    assert attack != _attack(row, norm, epsilon=norm.epsilon / 2, mutable=mutable)


@EVERY
def test_scaled_halves_epsilon_and_step(row, norm):
    attack = _attack(row, norm)
    half = attack.scaled(0.5)
    assert type(half) is type(attack)
    assert half.threat_model.radius == pytest.approx(norm.epsilon / 2)
    assert half.scaled(2.0).threat_model.radius == pytest.approx(norm.epsilon)
    if isinstance(attack, attacks.GradientAttack):
        assert half.step_length == pytest.approx(attack.step_length / 2)
        fixed = dataclasses.replace(attack, step_size="1/50").scaled(0.5)
        assert fixed.step_length == pytest.approx(0.01)


@EVERY
def test_mutable_mask_is_respected(row, norm, digits):
    logits_fn, x, y = digits
    mutable = np.arange(64).reshape(SHAPE) % 3 != 0
    result = _numpy(_attack(row, norm, mutable=mutable)(logits_fn, x, y, seed=0))
    np.testing.assert_array_equal(result[:, ~mutable], x[:, ~mutable])
    assert np.all(np.abs(result - x)[:, mutable].max(axis=1) > 0.01)


@EVERY
def test_radius_per_feature_is_respected(row, norm, digits):
    logits_fn, x, y = digits
    radius = np.array([0.0, 0.05, 0.2], "float32")[np.arange(64) % 3].reshape(SHAPE)
    if norm.ball is L2:
        radius = radius * 8  # semi-axes of an ellipsoid
    attack = _attack(row, norm, epsilon=radius)
    change = _numpy(attack(logits_fn, x, y, seed=0)) - x
    assert np.all(change[:, radius == 0] == 0)
    relative = change[:, radius > 0] / radius[radius > 0]
    size = np.abs(relative).max(-1)
    if norm.ball is L2:
        size = np.linalg.norm(relative, axis=-1)
    assert np.all(size <= 1 + 1e-5)
    assert np.abs(change).max() > 0.06  # the wide features use their width


@EVERY
def test_bounds_only_change_the_unit(row, norm, digits):
    logits_fn, x, y = digits
    unit = _attack(row, norm, epsilon="8/255")
    grey = _attack(row, norm, epsilon="8/255", bounds=(0, 255))
    result = _numpy(unit(logits_fn, x, y, seed=0))
    scaled = grey(lambda x: logits_fn(x / 255.0), x * 255, y, seed=0)
    close = np.abs(_numpy(scaled) - 255 * result) <= 255 * 1e-5
    assert np.mean(close) >= 0.999
    assert np.abs(result - x).max() > 0.01


@EVERY
def test_uint8_images_are_cast_at_entry(row, norm, digits):
    logits_fn, x, y = digits[0], _random_images(4), _labels(4)
    pixels = np.round(x * 255).astype("uint8")
    attack = _attack(row, norm, epsilon="8/255", bounds=(0, 255))

    def grey(x):
        return logits_fn(x / 255.0)

    from_bytes = attack(grey, pixels, y, seed=0)
    assert keras.backend.standardize_dtype(from_bytes.dtype) == "float32"
    from_floats = attack(grey, pixels.astype("float32"), y, seed=0)
    np.testing.assert_array_equal(_numpy(from_bytes), _numpy(from_floats))
    assert np.abs(_numpy(from_bytes) - pixels).max() <= 8 * (1 + 1e-5)


@EVERY
def test_no_gradient_flows_through_the_result(row, norm, digits):
    logits_fn, x, y = digits
    attack = _attack(row, norm)

    def through(x):
        x_adv = attack(logits_fn, x, y[:3], noise.keys(0, 3))
        return ops.sum(x_adv + 2.0 * x, axis=(1, 2, 3)), x_adv

    gradient, _, _ = backend.input_gradient(through, ops.convert_to_tensor(x[:3]))
    np.testing.assert_array_equal(_numpy(gradient), np.full((3, *SHAPE), 2.0))


# The model is only read


@pytest.fixture(scope="module")
def model():
    """A model with moving averages and a generator, as attacks see it in training."""
    keras.utils.set_random_seed(0)
    classifier = keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Conv2D(2, 3, strides=3),
            keras.layers.BatchNormalization(momentum=0.5),
            keras.layers.Dropout(0.4),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    return mpat.AdversarialModel(classifier, strategy=mpat.training.StandardTraining())


def _state(model):
    return [np.array(_numpy(variable.value)) for variable in model.variables]


@pytest.mark.parametrize("norm_mode", ["eval", "batch_stats"])
@pytest.mark.parametrize(("row", "norm"), CASES[: len(ROWS)], ids=IDS[: len(ROWS)])
def test_no_model_variable_changes(row, norm, norm_mode, model):
    before = _state(model)
    kinds = {variable.path.split("/")[-1] for variable in model.variables}
    assert {"moving_mean", "moving_variance", "seed_generator_state"} <= kinds
    x = _random_images(3)
    result = _attack(row, norm)(model.logits_fn(norm_mode), x, _labels(3), seed=0)
    assert not np.array_equal(_numpy(result), x)
    for old, new in zip(before, _state(model), strict=True):
        np.testing.assert_array_equal(new, old)


@pytest.mark.skipif(
    backend.NAME == "jax", reason="JAX keeps state only inside a StatelessScope"
)
def test_train_mode_moves_the_averages_and_the_generator(model):
    before = _state(model)
    attacks.FGSM(Linf(0.1))(model.logits_fn("train"), _random_images(3), _labels(3))
    changed = {
        variable.path.split("/")[-1]
        for variable, old, new in zip(
            model.variables, before, _state(model), strict=True
        )
        if not np.array_equal(new, old)
    }
    assert changed == {"moving_mean", "moving_variance", "seed_generator_state"}


@pytest.mark.skipif(backend.NAME != "tensorflow", reason="counts traces of tf.function")
@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (attacks.PGD, {}),
        (attacks.PGD, {"restarts": 3, "freeze": True}),
        (attacks.BIM, {}),
        (attacks.MIM, {}),
        (attacks.CW, {"restarts": 3}),
    ],
)
def test_hundred_steps_trace_the_model_as_often_as_one(kind, fields, digits):
    logits_fn, x, y = digits

    def traces(steps):
        calls = []

        def counted(x):
            calls.append(1)
            return logits_fn(x)

        attack = kind(Linf(0.1), steps=steps, **fields)
        compiled = backend.function(lambda x, y: attack(counted, x, y, 0))
        compiled(ops.convert_to_tensor(x[:2]), ops.convert_to_tensor(y[:2]))
        return len(calls)

    assert traces(100) == traces(1) >= 1
