"""PrototypeMerging: what merges and when, what the optimizer remembers, resumption."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat import callbacks, training
from keras_mpat.callbacks.chance import at_chance
from keras_mpat.layers.merging import merge_prototypes
from tests import toy

BALL = mpat.Linf(0.02)
X, Y = toy.data(32)
# Of class 0 the first two lie 0.1 apart; all others are at right angles.
PAIR = np.eye(8, dtype="float32")[[0, 0, 1, 2, 3, 4]].reshape(2, 3, 8)
PAIR[0, 1, 7] = 0.1
TOUCHED = np.array([[True, True, False], [False, False, False]])


class Watch(keras.callbacks.Callback):
    """Remembers head and optimizer at the end of each epoch."""

    def __init__(self):
        super().__init__()
        self.states, self.logs = [], []

    def on_epoch_end(self, epoch, logs=None):
        self.states.append(state(self.model))
        self.logs.append(dict(logs))


def head_of(model):
    return model.head if isinstance(model, mpat.AdversarialModel) else model.layers[-1]


def state(model):
    """{"prototypes", "active", "counts", slots by name: arrays}."""
    head = head_of(model)
    found = {
        name: ops.convert_to_numpy(getattr(head, name).value)
        for name in ("prototypes", "active", "counts")
    }
    prefix = head.prototypes.path.replace("/", "_") + "_"
    for slot in model.optimizer.variables:
        if slot.name.startswith(prefix):
            value = ops.convert_to_numpy(slot.value)
            found[slot.name.removeprefix(prefix)] = np.array(value)
    return found


def with_head(strategy=None, *, prototypes=PAIR, learning_rate=0.01, **kwargs):
    """An AdversarialModel whose head has these prototypes (2, K, 8)."""
    head = mpat.SoftTripleHead(2, prototypes_per_class=prototypes.shape[1])
    strategy = strategy or training.StandardTraining()
    model = toy.model(strategy, head=head, learning_rate=learning_rate, **kwargs)
    model.head.prototypes.assign(prototypes)
    return model


def fit(model, *watchers, epochs=1, **kwargs):
    kwargs = {"batch_size": 16, "shuffle": False, "verbose": 0, **kwargs}
    data = (X, Y) if isinstance(model, mpat.AdversarialModel) else kwargs.pop("data")
    return model.fit(*data, epochs=epochs, callbacks=list(watchers), **kwargs)


def merging(threshold=0.5, **kwargs):
    return callbacks.PrototypeMerging(
        threshold, **{"start_epoch": 0, "guard": False, **kwargs}
    )


def bundle(count):
    """Prototypes (2, count, 8), each class a bundle within 0.1, classes apart."""
    rng = np.random.default_rng(2)
    axes = np.eye(8)[[0, 1]][:, None]
    return (axes + 0.02 * rng.normal(size=(2, count, 8))).astype("float32")


def test_the_closest_pair_becomes_one_and_is_reported(capsys):
    before, after, merge = Watch(), Watch(), merging()
    model = with_head(learning_rate=0.0)
    history = fit(model, before, merge, after, verbose=2).history
    expected = merge_prototypes(
        *(before.states[0][key] for key in ("prototypes", "active", "counts")),
        threshold=0.5,
    )
    for key in ("prototypes", "active", "counts"):
        found = after.states[0][key]
        np.testing.assert_allclose(found, getattr(expected, key), rtol=1e-6)
    np.testing.assert_array_equal(after.states[0]["active"], [[1, 0, 1], [1, 1, 1]])
    np.testing.assert_array_equal(after.states[0]["counts"], [[2, 0, 1], [1, 1, 1]])
    assert merge.history == [[2, 3]]
    (record,) = merge.merges
    assert record[:4] == (0, 0, 0, 1) and record.label == 0
    cosine = 1 / np.sqrt(1.01)
    assert record.distance == pytest.approx(np.sqrt(2 - 2 * cosine), rel=1e-4)
    assert merge.similarities_before[0, 0, 1] == pytest.approx(cosine)
    gone = np.isnan(merge.similarities_after)
    assert gone[0, 1].all() and gone[0, :, 1].all() and gone.sum() == 5
    assert merge.similarities_after[0, 0, 0] == pytest.approx(1.0)
    for name, value in {
        "prototypes_min": 2.0,
        "prototypes_mean": 2.5,
        "prototypes_per_class_0": 2.0,
        "prototypes_per_class_1": 3.0,
    }.items():
        assert history[name] == [value] == [after.logs[0][name]]
        assert name not in before.logs[0]
    assert "prototypes left per class: [2, 3]" in capsys.readouterr().out


def test_silent_where_fit_is(capsys):
    fit(with_head(), merging())
    assert not capsys.readouterr().out


def optimizers():
    kinds = keras.optimizers
    return {
        "momentum": (kinds.SGD(0.01, momentum=0.9), {"momentum"}),
        "adam": (kinds.Adam(0.01), {"momentum", "velocity"}),
        "amsgrad": (
            kinds.Adam(0.01, amsgrad=True),
            {"momentum", "velocity", "velocity_hat"},
        ),
        "rmsprop-centered": (
            kinds.RMSprop(0.01, momentum=0.9, centered=True),
            {"momentum", "velocity", "average_gradient"},
        ),
        "use_ema": (
            kinds.SGD(0.01, momentum=0.9, use_ema=True, ema_momentum=0.5),
            {"momentum", "average"},
        ),
        "accumulation": (
            kinds.SGD(0.01, momentum=0.9, gradient_accumulation_steps=3),
            {"momentum", "gradient_accumulator"},
        ),
        "loss-scaling": (
            kinds.LossScaleOptimizer(
                kinds.SGD(0.01, momentum=0.9, use_ema=True), initial_scale=8.0
            ),
            {"momentum", "average"},
        ),
        "schedule-free": (kinds.ScheduleFreeAdamW(0.01), {"momentum", "velocity"}),
        "plain": (kinds.SGD(0.01), set()),
    }


POINTS = {"average"}  # slots that follow the prototypes instead of being forgotten


@pytest.mark.parametrize("name", optimizers())
def test_the_optimizer_forgets_the_merged_rows_and_no_others(name):
    optimizer, slots = optimizers()[name]
    points = POINTS | ({"momentum"} if name == "schedule-free" else set())
    model = with_head()
    model.compile(optimizer, run_eagerly=True)
    before, after = Watch(), Watch()
    fit(model, before, merging(), after, batch_size=8)
    before, after = before.states[0], after.states[0]
    assert set(after) == slots | {"prototypes", "active", "counts"}
    assert not np.array_equal(before["prototypes"][0, 0], after["prototypes"][0, 0])
    for slot in slots:
        np.testing.assert_array_equal(after[slot][~TOUCHED], before[slot][~TOUCHED])
        assert np.any(before[slot][TOUCHED] != 0)
        expected = after["prototypes"][TOUCHED] if slot in points else 0.0
        np.testing.assert_array_equal(after[slot][TOUCHED], expected)


def test_float16_with_its_own_loss_scaling_merges_float32_prototypes():
    classifier = toy.net()
    half = keras.Sequential(
        [keras.Input((4,)), layers.Dense(8, dtype="mixed_float16")]
        + [layers.ReLU(dtype="mixed_float16"), layers.Dense(2, dtype="float32")]
    )
    half.layers[0].kernel.assign(classifier.layers[0].kernel)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        half = keras.Sequential([keras.Input((4,)), half])
        model = with_head(classifier=half)
    finally:
        keras.config.set_dtype_policy("float32")
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    before, after = Watch(), Watch()
    fit(model, before, merging(), after)
    assert after.states[0]["prototypes"].dtype == np.float32
    assert np.all(before.states[0]["momentum"][TOUCHED].any(-1))
    assert not after.states[0]["momentum"][TOUCHED].any()
    assert after.states[0]["momentum"][~TOUCHED].any()
    np.testing.assert_array_equal(after.states[0]["active"].sum(-1), [2, 3])


def test_averaged_weights_at_the_end_of_fit_keep_the_merged_value():
    model = with_head()
    optimizer = keras.optimizers.SGD(0.01, use_ema=True, ema_momentum=0.9)
    model.compile(optimizer, run_eagerly=True)
    after = Watch()
    fit(model, merging(), after)  # Keras overwrites the weights by their average
    np.testing.assert_allclose(
        state(model)["prototypes"][TOUCHED],
        after.states[0]["prototypes"][TOUCHED],
        rtol=1e-6,
    )


STRATEGIES = {
    "standard": training.StandardTraining(),
    "pgd": training.PGDTraining(BALL, steps=2),
    "fast": training.FastTraining(BALL),
    "free": training.FreeTraining(BALL, replays=2, batch_size=16),
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_merges_under_every_strategy(name):
    model, merge = with_head(STRATEGIES[name], prototypes=bundle(4)), merging(0.3)
    before = state(model)["prototypes"]
    fit(model, merge, epochs=2)
    assert merge.history == [[1, 1]] * 2 and len(merge.merges) == 6
    after = state(model)
    np.testing.assert_array_equal(after["counts"], [[4, 0, 0, 0]] * 2)
    assert not np.array_equal(before[:, 0], after["prototypes"][:, 0])
    # Masked prototypes no longer train: 2 epochs moved only the survivors.
    second = state(model)["prototypes"]
    fit(model, merge)
    np.testing.assert_array_equal(state(model)["prototypes"][:, 1:], second[:, 1:])
    assert np.all(state(model)["prototypes"][:, 0] != second[:, 0])


class _Counter(layers.Layer):
    calls = 0

    def call(self, x):
        _Counter.calls += 1
        return x


def test_merging_traces_nothing_again():
    net = toy.net()
    classifier = keras.Sequential([net.inputs[0], _Counter(), net])
    model = with_head(classifier=classifier, prototypes=bundle(4), eager=False)
    traces = []
    count = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: traces.append(_Counter.calls)
    )
    merge = merging(0.3, max_merges_per_epoch=1)
    fit(model, merge, count, epochs=3)
    assert len(merge.merges) == 3
    assert traces[0] > 0 and len(set(traces)) == 1


@pytest.mark.parametrize(
    "arguments, epochs, expected",
    [
        (dict(start_epoch=None), 4, [2, 3]),
        (dict(start_epoch=None), 2, [1]),
        (dict(start_epoch=None), 1, [0]),
        (dict(start_epoch=1), 3, [1, 2]),
        (dict(start_epoch=1, period=2), 5, [1, 3]),
        (dict(start_epoch=9), 2, []),
        (dict(start_epoch=0, min_prototypes=5), 3, [0, 1]),
    ],
    ids=["third", "third of 2", "third of 1", "start", "period", "never", "minimum"],
)
def test_when_it_merges_one_at_a_time(arguments, epochs, expected):
    merge = merging(0.3, max_merges_per_epoch=1, **arguments)
    model = with_head(prototypes=bundle(6), learning_rate=0.0)
    fit(model, merge, epochs=epochs, batch_size=32)
    assert [record.epoch for record in merge.merges] == expected
    assert len(merge.history) == epochs
    assert (merge.similarities_before is None) == (arguments["start_epoch"] == 9)
    lost = [12 - sum(left) for left in merge.history]
    assert lost == [sum(e <= epoch for e in expected) for epoch in range(epochs)]


class Halt(keras.callbacks.Callback):
    """Ends training after an epoch, as if the machine had been switched off."""

    def __init__(self, epoch):
        super().__init__()
        self.epoch = epoch

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = epoch == self.epoch


def test_a_resumed_run_merges_as_an_uninterrupted_one(tmp_path):
    def model():
        return with_head(prototypes=bundle(6))

    def merge():
        return merging(0.5, start_epoch=1, max_merges_per_epoch=2)

    whole, uninterrupted = model(), merge()
    fit(whole, uninterrupted, epochs=3)
    first, second = merge(), merge()
    save = keras.callbacks.ModelCheckpoint(str(tmp_path / "model.keras"))
    fit(model(), first, save, Halt(1), epochs=3)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    fit(loaded, second, epochs=3, initial_epoch=2)
    assert first.merges and second.merges
    assert first.merges + second.merges == uninterrupted.merges
    assert first.history + second.history == uninterrupted.history
    toy.assert_same(toy.values(loaded.variables), toy.values(whole.variables))
    toy.assert_same(
        toy.values(loaded.optimizer.variables), toy.values(whole.optimizer.variables)
    )


def cone(informative, count=256, features=8):
    """Points with cosines of about 0.88; the class shifts them or says nothing."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    x = np.full((count, features), features**-0.5)
    x += rng.normal(size=x.shape) * np.sqrt((1 / 0.88 - 1) / features)
    if informative:
        x += 0.5 * (2 * labels[:, None] - 1) * np.eye(features)[0]
    return x.astype("float32"), labels


def head_only(prototypes=None, learning_rate=0.1, **kwargs):
    """Just the head, on embeddings (N, 8); compiled with its own loss."""
    head = mpat.SoftTripleHead(2, **kwargs)
    model = keras.Sequential([keras.Input((8,)), head])
    model.compile(keras.optimizers.SGD(learning_rate, momentum=0.9), head.loss())
    if prototypes is not None:
        head.prototypes.assign(prototypes)
    return model


def test_the_guard_waits_on_features_that_say_nothing():
    model = head_only(prototypes_per_class=4, initializer="unit", tau=5.0)
    merge = callbacks.PrototypeMerging(start_epoch=0)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fit(model, merge, data=cone(informative=False), epochs=20)
    messages = [str(w.message) for w in caught if "No prototypes" in str(w.message)]
    assert len(messages) == 1 and "no better than chance" in messages[0]
    assert merge.history == [[4, 4]] * 20
    # Without the guard they would now be less, for no reason but the regulariser.
    eager = callbacks.PrototypeMerging(start_epoch=0, guard=False)
    fit(model, eager, data=cone(informative=False))
    assert sum(eager.history[-1]) < 8


def test_the_guard_lets_features_that_say_something_merge():
    model = head_only(prototypes_per_class=4, initializer="unit", tau=5.0)
    merge = callbacks.PrototypeMerging()
    fit(model, merge, data=cone(informative=True), epochs=20)
    assert len(merge.merges) > 2


def test_the_guard_warns_once_and_merges_when_the_head_has_learned():
    together = np.repeat(bundle(4)[:1], 2, axis=0)
    model = head_only(together, prototypes_per_class=4, learning_rate=0.0)
    learned = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: (
            epoch == 2 and model.layers[-1].prototypes.assign(apart())
        )
    )
    merge = callbacks.PrototypeMerging(0.3, start_epoch=0)
    with pytest.warns(UserWarning, match="in epoch 1, although 6 lie closer than 0.3"):
        fit(model, learned, merge, data=cone(informative=True), epochs=3)
    assert merge.history == [[4, 4], [4, 4], [1, 1]]


def apart():
    """Prototypes on the two means of the informative cone."""
    rng = np.random.default_rng(3)
    means = np.full((2, 1, 8), 8**-0.5) + 0.5 * np.eye(8)[0] * [[[-1]], [[1]]]
    return (means + 0.01 * rng.normal(size=(2, 4, 8))).astype("float32")


def test_weight_decay_by_regularizers_is_not_taken_for_chance():
    head = mpat.SoftTripleHead(2, prototypes_per_class=4)
    dense = layers.Dense(8, kernel_regularizer=keras.regularizers.L2(1.0))
    model = keras.Sequential([keras.Input((8,)), dense, head])
    model.compile(keras.optimizers.SGD(0.0), head.loss())
    dense.kernel.assign(np.eye(8))
    head.prototypes.assign(apart())
    merge = callbacks.PrototypeMerging(0.3)
    logs = fit(model, merge, data=cone(informative=True)).history
    assert logs["loss"][0] > 8 and merge.history == [[1, 1]]


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1)], ids=["equal", "unequal"])
@pytest.mark.parametrize("weights", [(1, 1), (3, 3), (0.5, 0.5), (1, 4)], ids=str)
def test_chance_knows_how_unequal_the_classes_are_and_weigh(shares, weights):
    model = with_head()
    model.collapse.expected.assign(np.array(shares))
    weighted = np.array(shares) * np.array(weights)
    model.collapse.weighted.assign(weighted)
    answer = weighted / weighted.sum()
    entropy = -np.sum(weighted * np.log(answer))
    # The margin 20 * 0.01 makes equal similarities a little worse than entropy.
    chance = entropy + weighted.sum() * (np.log(1 + np.exp(0.2)) - np.log(2))
    regularization = float(model.head.regularization())
    for factor, expected in ((1.0, True), (0.96, True), (0.94, False), (0.2, False)):
        logs = {"head_loss": factor * chance + regularization, "loss": 99.0}
        assert at_chance(model, model.head, logs) is expected


def test_no_loss_is_no_chance():
    model = with_head()
    assert not at_chance(model, model.head, None)
    assert not at_chance(model, model.head, {"accuracy": 0.5})


def test_more_than_ten_classes_are_summed_up():
    head = mpat.SoftTripleHead(12, prototypes_per_class=[3] + [1] * 11)
    model = keras.Sequential([keras.Input((8,)), head])
    model.compile("sgd", head.loss())
    data = (np.random.default_rng(0).normal(size=(24, 8)), np.arange(24) % 12)
    logs = fit(model, merging(0.0), data=data).history
    assert set(logs) == {"loss", "prototypes_min", "prototypes_mean"}
    assert logs["prototypes_min"] == [1.0]
    assert logs["prototypes_mean"] == [pytest.approx(14 / 12)]


def test_finds_the_head_inside_a_model_of_replace_head():
    model = mpat.replace_head(toy.net(), mpat.SoftTripleHead(2))
    outer = keras.Sequential([keras.Input((4,)), model])
    outer.compile("sgd", model.layers[-1].loss())
    merge = merging(2.0)
    outer.fit(X, Y, callbacks=[merge], verbose=0)
    assert merge.history == [[1, 1]]


def test_a_model_without_a_head_or_with_two_is_named():
    plain = toy.model(training.StandardTraining())
    two = keras.Sequential([keras.Input((4,)), mpat.SoftTripleHead(2)])
    two.add(mpat.SoftTripleHead(2))
    two.compile("sgd", two.layers[-1].loss())
    for model, count in ((plain, 0), (two, 2)):
        with pytest.raises(ValueError, match=f"one SoftTripleHead.* with {count}"):
            model.fit(X, Y, callbacks=[merging()], verbose=0)


def test_a_minimum_above_what_there_is_is_warned_of():
    with pytest.warns(UserWarning, match="min_prototypes=4.*more than 3 prototypes"):
        fit(with_head(), merging(min_prototypes=4))


def test_more_prototypes_than_examples_are_warned_of():
    x, y = toy.data(8)
    model = toy.model(training.StandardTraining(), head=mpat.SoftTripleHead(2))
    for labels in (y, y[:, None]):
        with pytest.warns(UserWarning, match="class 0 has 10 prototypes and 4 examp"):
            model.fit(x, labels, verbose=0)
    model.head.active.assign(np.arange(10) < [[4], [1]])  # some were merged
    model.fit(x, y, verbose=0)  # a warning would be an error here


def test_class_weights_do_not_fool_the_guard():
    """Neither large ones on good features nor small ones on labels at random."""
    rng = np.random.default_rng(3)
    y = np.arange(64) % 2
    good = np.where(y[:, None] == 1, 0.8, 0.2) + 0.05 * rng.random((64, 4))
    bad = rng.random((64, 4))
    for x, factor, rate, merges in ((good, 3.0, 0.1, True), (bad, 0.3, 1e-4, False)):
        model = with_head(learning_rate=rate)
        merging = callbacks.PrototypeMerging(1.9, start_epoch=7)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(
                x.astype("float32"),
                y,
                epochs=8,
                batch_size=16,
                class_weight={0: factor, 1: factor},
                callbacks=[merging],
                verbose=0,
            )
        assert bool(merging.merges) is merges
