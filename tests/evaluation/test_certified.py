"""certified: exact on linear nets, never wrong on small ones, and what it refuses."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat import attacks, backend, evaluation
from keras_mpat.evaluation.certification.certified import input_box
from keras_mpat.evaluation.certification.network import Network
from tests import toy
from tests.boundaries import linear_distances, relu_distance


@pytest.fixture(autouse=True)
def eager(request, monkeypatch):
    """Small nets need no graph, and tracing one takes a second; one test compiles."""
    if "compiled" not in request.node.name:
        monkeypatch.setattr(backend, "function", lambda function: function)


METHODS = pytest.mark.parametrize("method", ["ibp", "crown"])


def linear(classes=4, features=6, hidden=None, seed=0):
    """A linear classifier, in one layer or two, and its matrix and bias."""
    rng = np.random.default_rng(seed)
    sizes = [features, *([hidden] if hidden else []), classes]
    parts = [layers.Dense(size) for size in sizes[1:]]
    net = keras.Sequential([keras.Input((features,)), *parts])
    matrix, bias = np.eye(features), np.zeros(features)
    for part in parts:
        kernel = rng.normal(size=part.kernel.shape).astype("float32")
        shift = (-kernel.sum(axis=0) / 2).astype("float32")
        part.set_weights([kernel, shift])
        matrix, bias = matrix @ kernel, bias @ kernel + shift
    return net, matrix, bias


def relu(features=2, units=6, classes=3, seed=0):
    """A classifier with one hidden layer, whose logits cross inside [0, 1]^d."""
    rng = np.random.default_rng(seed)
    net = keras.Sequential(
        [
            keras.Input((features,)),
            layers.Dense(units, activation="relu"),
            layers.Dense(classes),
        ]
    )
    first = rng.normal(size=(features, units))
    last = rng.normal(size=(units, classes))
    net.set_weights([first, -first.mean(axis=0), last, 0.1 * rng.normal(size=classes)])
    return net


def points(net, count=60, seed=1):
    """Random inputs, and what the net says of them, one in ten turned wrong."""
    features = net.input_shape[1:]
    x = np.random.default_rng(seed).uniform(size=(count, *features)).astype("float32")
    y = np.argmax(net.predict(x, verbose=0), axis=-1)
    y[::10] = (y[::10] + 1) % net.output_shape[-1]
    return x, y


def worst_margins(x, y, matrix, bias, ball):
    """Smallest z_y - z_j over a Linf ball, its bounds and its mask, (N, C): exact."""
    low, high = (np.asarray(bound, "float64") for bound in ball.bounds)
    reach = np.asarray(ball.radius, "float64") * (
        1.0 if ball.mutable is None else np.asarray(ball.mutable)
    )
    bottom, top = np.clip(x - reach, low, high), np.clip(x + reach, low, high)
    slope = matrix[:, y].T[:, None] - matrix.T[None]  # (N, C, d)
    worst = np.minimum(slope * bottom[:, None], slope * top[:, None]).sum(axis=-1)
    return worst + bias[y][:, None] - bias


BALLS = {
    "small": mpat.Linf(0.03),
    "large": mpat.Linf(0.2),
    "per feature": mpat.Linf([0.0, 0.2, 0.05, 0.1, 0.3, 0.0]),
    "mask": mpat.Linf(0.3, mutable=[True, False, True, False, False, True]),
    "bounds": mpat.Linf(0.1, bounds=([0.0, -1, 0, 0, -3, 0], [1.0, 1, 2, 1, 1, 1])),
}


@METHODS
@pytest.mark.parametrize("hidden", [None, 9])
def test_linear_nets_are_certified_exactly(method, hidden):
    net, matrix, bias = linear(hidden=hidden)
    x, y = points(net)
    shares = []
    for name, ball in BALLS.items():
        worst = worst_margins(x, y, matrix, bias, ball)
        worst[np.arange(len(y)), y] = np.inf
        found = evaluation.certified(net, (x, y), ball, method=method)
        assert np.abs(worst).min() > 1e-4, name  # else rounding decides
        np.testing.assert_array_equal(found, worst.min(axis=-1) > 0, err_msg=name)
        shares.append(found.mean())
    assert 0.05 < min(shares) and max(shares) > 0.5


def test_the_distance_to_the_boundary_says_the_same():
    net, matrix, bias = linear(classes=3, features=5, seed=4)
    x, y = points(net)
    distances = linear_distances(x, y, matrix, bias, 0.0, 1.0, "Linf")
    for epsilon in (0.01, 0.05, 0.15):
        found = evaluation.certified(net, (x, y), mpat.Linf(epsilon))
        np.testing.assert_array_equal(found, distances > epsilon)


def test_of_an_l2_ball_the_box_around_it_is_certified():
    net, matrix, bias = linear()
    x, y = points(net)
    for epsilon in (0.05, [0.0, 0.2, 0.05, 0.1, 0.02, 0.05]):
        found = evaluation.certified(net, (x, y), mpat.L2(epsilon))
        box = evaluation.certified(net, (x, y), mpat.Linf(epsilon))
        np.testing.assert_array_equal(found, box)
        assert 0.2 < found.mean()
    distances = linear_distances(x, y, matrix, bias, 0.0, 1.0, "L2")
    found = evaluation.certified(net, (x, y), mpat.L2(0.05))
    assert np.all(distances[found] > 0.05)


def margin_bounds(net, x, y, ball):
    """Lower bounds of z_y - z_j, (N, C) each: plain and relaxed."""
    network = Network(net)
    x, y = ops.convert_to_tensor(x), ops.convert_to_tensor(y)
    boxes = network.boxes(input_box(ball, x), refined=True)
    return [
        ops.convert_to_numpy(network.margins(boxes, y, relaxed=relaxed))
        for relaxed in (False, True)
    ]


@pytest.mark.parametrize("features", [1, 2])
def test_small_nets_agree_with_a_dense_grid(features):
    """Brute force: 1001 or 41 x 41 points of each ball."""
    ticks = np.linspace(-1, 1, 1001 if features == 1 else 41)
    grid = np.stack(np.meshgrid(*[ticks] * features), axis=-1).reshape(-1, features)
    proven, robust = {"ibp": 0, "crown": 0}, 0
    for seed in range(3):
        net = relu(features, seed=seed)
        x, y = points(net, count=30, seed=seed)
        for epsilon in (0.02, 0.1, 0.3):
            ball = mpat.Linf(epsilon)
            around = np.clip(x[:, None] + epsilon * grid, 0, 1).astype("float32")
            logits = np.asarray(net(around.reshape(-1, features)))
            logits = logits.reshape(len(x), len(grid), -1)
            own = logits[np.arange(len(x)), :, y]
            worst = (own[:, :, None] - logits).min(axis=1)
            worst[np.arange(len(x)), y] = np.inf
            for bounds in margin_bounds(net, x, y, ball):
                assert np.all(bounds <= worst)
            right = np.all(np.argmax(logits, axis=-1) == y[:, None], axis=1)
            robust += right.sum()
            for method in proven:
                flags = evaluation.certified(net, (x, y), ball, method=method)
                assert not np.any(flags & ~right)
                proven[method] += flags.sum()
    assert 0.4 * robust < proven["ibp"] <= proven["crown"] <= robust
    assert features == 1 or proven["ibp"] < proven["crown"]


def test_small_nets_agree_with_linear_programs():
    net = relu(features=3, units=4, seed=7)
    x, y = points(net, count=14)
    weights = [array.astype("float64") for array in net.get_weights()]
    wrong = np.argmax(net.predict(x, verbose=0), axis=-1) != y
    distances = np.array(
        [relu_distance(p, t, *weights) for p, t in zip(x, y, strict=True)]
    )
    distances[wrong] = 0.0
    for epsilon in (0.02, 0.06):
        found = evaluation.certified(net, (x, y), mpat.Linf(epsilon))
        assert np.all(distances[found] > epsilon)
        assert found.sum() >= 0.6 * np.sum(distances > epsilon) > 3


@METHODS
def test_a_ball_of_one_point_is_certified_if_it_is_right(method):
    for net in (relu(), mpat.models.small_cnn(10, input_shape=(16, 16, 1))):
        x, y = points(net, count=30)
        right = np.argmax(net.predict(x, verbose=0), axis=-1) == y
        assert 0 < right.mean() < 1
        fixed = np.zeros(x.shape[1:], bool)
        for ball in (mpat.Linf(0), mpat.L2(0.0), mpat.Linf(0.1, mutable=fixed)):
            found = evaluation.certified(net, (x, y), ball, method=method)
            np.testing.assert_array_equal(found, right)


def test_a_tiny_ball_is_certified_nearly_as_often():
    net = relu()
    x, y = points(net, count=300)
    right = np.argmax(net.predict(x, verbose=0), axis=-1) == y
    found = evaluation.certified(net, (x, y), mpat.Linf(1e-6))
    assert not np.any(found & ~right)
    assert found.sum() >= 0.98 * right.sum()


@METHODS
@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (2, 0, 1)])
@pytest.mark.parametrize("hidden", [False, True])
def test_what_rounding_decides_is_not_certified(method, order, hidden):
    """z_0 = 1e8 x_0 + x_1 - 1e8 x_2 is 0.5 or 0, by the order of additions."""
    sum_of_three = [layers.Dense(1), layers.ReLU()] if hidden else []
    net = keras.Sequential([keras.Input((3,)), *sum_of_three, layers.Dense(2)])
    kernel = np.array([[1e8], [1.0], [-1e8]])[list(order)]

    def weights(scale):
        first = [kernel * scale, np.zeros(1)] if hidden else []
        last = [[1.0, 0.0]] if hidden else scale * kernel * [1.0, 0.0]
        return [*first, np.array(last), np.zeros(2)]

    x, y = np.full((1, 3), 0.5, "float32"), np.zeros(1, "int32")
    free = np.array([False, True, False])[list(order)]
    ball = mpat.Linf(0.4, mutable=free)  # exact margins: 0.1 to 0.9
    net.set_weights(weights(1.0))
    assert not evaluation.certified(net, (x, y), ball, method=method)[0]
    net.set_weights(weights(4e-8))
    x[0, order.index(0)] = 0.6
    assert evaluation.certified(net, (x, y), mpat.Linf(0.01), method=method)[0]


@METHODS
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_undefined_logits_prove_nothing(method, bad):
    net = relu()
    x, y = points(net)
    ball = mpat.Linf(0.001)
    assert evaluation.certified(net, (x, y), ball, method=method).mean() > 0.5
    weights = net.get_weights()
    weights[0][0, 2] = bad
    net.set_weights(weights)
    assert not np.any(evaluation.certified(net, (x, y), ball, method=method))


def test_compiled_and_eager_say_the_same(monkeypatch):
    net, data = toy.net(), toy.data(50)
    compiled = evaluation.certified(net, data, mpat.Linf(0.01), batch_size=20)
    monkeypatch.setattr(backend, "function", lambda function: function)
    eager = evaluation.certified(net, data, mpat.Linf(0.01), batch_size=20)
    np.testing.assert_array_equal(compiled, eager)


def test_batches_streams_limits_paths_and_wrappers_say_the_same(tmp_path):
    net = toy.net()
    x, y = toy.data(50)
    ball = mpat.Linf(0.01)
    expected = evaluation.certified(net, (x, y), ball)
    assert 0.1 < expected.mean() < 1 and expected.dtype == bool
    for size in (1, 7, 200):
        found = evaluation.certified(net, (x, y), ball, batch_size=size)
        np.testing.assert_array_equal(found, expected)
    order = np.random.default_rng(0).permutation(50)
    found = evaluation.certified(net, (x[order], np.eye(2)[y[order]]), ball)
    np.testing.assert_array_equal(found, expected[order])
    found = evaluation.certified(net, toy.stream((x[:9], y[:9]), (x[9:], y[9:])), ball)
    np.testing.assert_array_equal(found, expected)
    found = evaluation.certified(net, (x, y), ball, limit=13)
    np.testing.assert_array_equal(found, expected[:13])
    net.save(tmp_path / "net.keras")
    model = toy.model(mpat.training.StandardTraining(), classifier=net)
    for given in (tmp_path / "net.keras", model):
        found = evaluation.certified(given, (x, y), ball)
        np.testing.assert_array_equal(found, expected)


def test_no_variable_changes():
    net = toy.net()
    before = toy.values(net.variables)
    evaluation.certified(net, toy.data(12), mpat.Linf(0.01))
    toy.assert_same(toy.values(net.variables), before)


@keras.saving.register_keras_serializable("keras_mpat_tests")
class Doubled(layers.Dense):
    """A layer that looks like one with bounds."""

    def call(self, inputs):
        return 2 * super().call(inputs)


def behind(*parts):
    """A classifier with these layers before its last one."""
    return keras.Sequential([keras.Input((4,)), *parts, layers.Dense(2)])


UNSUPPORTED = {
    "a layer": (behind(layers.LayerNormalization(name="norm")), "'norm'"),
    "an activation": (behind(layers.Dense(3, "gelu", name="h")), "'h'.*gelu"),
    "an activation layer": (behind(layers.Activation("silu", name="s")), "'s'.*silu"),
    "a subclass": (behind(Doubled(3, name="twice")), "'twice' of type Doubled"),
    "a lambda": (behind(layers.Lambda(lambda x: x, name="own")), "'own'.*Lambda"),
    "a steep ReLU": (behind(layers.ReLU(negative_slope=2.0, name="v")), "'v'"),
    "a jump": (behind(layers.ReLU(threshold=0.5, name="jump")), "'jump'"),
    "half precision": (behind(layers.Dense(3, dtype="mixed_float16", name="f")), "'f'"),
    "in a nested model": (behind(behind(layers.Dense(3, "mish", name="in"))), "'in'"),
    "a subclassed model": (toy.Opaque(), "cannot be read"),
}


@pytest.mark.parametrize("net, message", UNSUPPORTED.values(), ids=UNSUPPORTED)
def test_layers_without_bounds_are_named(net, message):
    assert not evaluation.can_certify(net)
    with pytest.raises(ValueError, match=message):
        evaluation.certified(net, toy.data(4), mpat.Linf(0.1))
    with pytest.raises(ValueError, match=message):
        evaluation.evaluate_robustness(
            net, toy.data(4), attacks.FGSM(mpat.Linf(0.1)), certify=True, verbose=False
        )


def test_networks_of_this_package_can_be_certified():
    for net in (
        mpat.models.lenet(10),
        mpat.models.small_cnn(10),
        mpat.models.medium_cnn(10),
        mpat.models.resnet18(width=2),
        mpat.models.resnet50(width=2),
        mpat.models.wide_resnet(depth=10, width=1),
    ):
        assert evaluation.can_certify(net)


def test_contradictions_name_the_example_and_the_attack():
    clean, robust = np.array([1, 1, 1, 0], bool), np.array([1, 0, 0, 0], bool)
    stages = tuple(
        evaluation.Stage(name, "", np.array(flags, bool), 1.0)
        for name, flags in (("FGSM", [1, 1, 0, 0]), ("PGD", [1, 0, 0, 0]))
    )
    result = evaluation.RobustnessResult(clean, robust, stages, 0.0, 0)
    assert evaluation.contradictions([1, 0, 0, 0], result) == []
    assert evaluation.contradictions([1, 1, 1, 1], result) == [
        "Example 1 is certified, and fooled by PGD.",
        "Example 2 is certified, and fooled by FGSM, PGD.",
        "Example 3 is certified, and wrong.",
    ]
    with pytest.raises(ValueError, match="`proven` must hold a verdict for each"):
        evaluation.contradictions([1, 0], result)
