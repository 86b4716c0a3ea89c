"""The guard on nets whose robust accuracy is known, set to collapse on schedule."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers

import keras_mpat as mpat
from keras_mpat import attacks, callbacks, evaluation, training
from tests import toy

BALL = mpat.Linf(0.1)
FAST = training.FastTraining(BALL)
FREE = training.FreeTraining(BALL, replays=2, batch_size=8)
FAST_AND_FREE = pytest.mark.parametrize(
    "strategy",
    [
        pytest.param(FAST, id="fast"),
        pytest.param(FREE, id="free", marks=pytest.mark.slow),
    ],
)
TRAIN = np.tile(np.array([[0.25], [0.75]], "float32"), (16, 1)), np.arange(32) % 2
# Ten examples of class 1 at these places; the border of `straight` moves past them.
PLACES = 0.55 + 0.04 * np.arange(10)
PROBE = PLACES[:, None].astype("float32"), np.ones(10, "int32")
SAME = np.full((8, 1), 0.75, "float32"), np.ones(8, "int32")


def guard(probe=PROBE, **kwargs):
    return callbacks.CatastrophicOverfittingGuard(*probe, **kwargs)


def straight(border=0.5):
    """Class 1 above the border: robust are the examples more than epsilon above it."""
    first = np.array([[1.0, -1.0]]), np.array([-border, border])
    return [*first, np.array([[0, 20.0], [0, -20.0]]), np.zeros(2)]


def overfitted():
    """Class 0 only between 0.67 and 0.73: one step from 0.75 leaps over it to 0.65."""
    first = np.array([[1.0, -1.0]]), np.array([-0.7, 0.7])
    return [*first, np.array([[0, 20.0], [0, 20.0]]), np.array([0, -0.6])]


class Script(keras.callbacks.Callback):
    """Gives the classifier weights after (epoch, batch); None is the epoch's end."""

    def __init__(self, **weights):
        super().__init__()
        self.weights = {_moment(key): value for key, value in weights.items()}
        self.batches = 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1
        self._play((self.epoch, batch + 1))

    def on_epoch_end(self, epoch, logs=None):
        self._play((epoch + 1, None))

    def _play(self, moment):
        if moment in self.weights:
            self.model.classifier.set_weights(self.weights[moment])


def _moment(key):
    epoch, _, batch = key.removeprefix("e").partition("b")
    return int(epoch), int(batch) if batch else None


def fit(watch, script, epochs=4, model=None):
    """(history, messages) of a training whose weights only the script moves."""
    if model is None:
        net = [keras.Input((1,)), layers.Dense(2, "relu"), layers.Dense(2)]
        classifier = keras.Sequential(net)
        model = toy.model(
            training.AdversarialTraining(attacks.RandomNoise(BALL)),
            classifier=classifier,
            learning_rate=0.0,
        )
        model.classifier.set_weights(straight())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = model.fit(
            *TRAIN, batch_size=8, epochs=epochs, callbacks=[script, watch], verbose=0
        )
    messages = [str(w.message) for w in caught if "on the probe" in str(w.message)]
    return history.history, messages


def test_robust_accuracy_of_a_net_solved_by_hand():
    borders = [0.5, 0.47, 0.53, 0.45]
    script = Script(**{f"e{i}": straight(b) for i, b in enumerate(borders, 1)})
    watch = guard()
    history, messages = fit(watch, script)
    robust = [np.mean(PLACES - 0.1 > border) for border in borders]
    assert len(set(robust)) == 4
    assert history["probe_robust_accuracy"] == pytest.approx(robust)
    assert history["probe_fgsm_accuracy"] == pytest.approx(robust)
    clean = [np.mean(PLACES > border) for border in [0.5, *borders]]
    assert [check.clean for check in watch.checks] == pytest.approx(clean)
    assert [(check.epoch, check.batch) for check in watch.checks] == [
        (epoch, None) for epoch in range(5)
    ]
    assert not messages and not watch.events


def test_warns_once_per_event_with_figures():
    script = Script(e1=overfitted(), e3=straight(), e4=overfitted())
    watch = guard(SAME)
    history, messages = fit(watch, script, epochs=5)
    assert history["probe_robust_accuracy"] == [0, 0, 1, 0, 0]
    assert history["probe_fgsm_accuracy"] == [1, 1, 1, 1, 1]
    assert [event.epoch for event in watch.events] == [1, 4]
    assert len(messages) == 2
    for part in (
        "Catastrophic overfitting (epoch 1)",
        "accuracy under PGD fell from 100.0 % (before training) to 0.0 %",
        "100.0 % under one step of FGSM and 100.0 % without attack",
        "Training goes on.",
        "`step_size`",
    ):
        assert part in messages[0], part


def test_a_fall_that_is_no_overfitting_to_one_step_has_another_name():
    _, messages = fit(guard(), Script(e2=straight(0.9)))
    assert len(messages) == 1
    assert messages[0].startswith("Loss of robustness (epoch 2)")


def test_a_slow_fall_is_measured_from_the_best_check():
    script = Script(e1=straight(0.54), e2=straight(0.58), e3=straight(0.62))
    watch = guard(drop=0.25)
    fit(watch, script)
    shares = [check.robust for check in watch.checks]
    assert shares == pytest.approx([0.8, 0.7, 0.6, 0.5, 0.5])
    assert [event.epoch for event in watch.events] == [3]


def test_exactly_the_drop_is_no_event():
    watch = guard(drop=0.2)
    fit(watch, Script(e1=straight(0.58)))
    assert watch.checks[1].robust == pytest.approx(0.6)
    assert not watch.events


def test_stop_ends_training_and_leaves_the_weights():
    script = Script(e2=overfitted())
    watch = guard(SAME, action="stop")
    history, messages = fit(watch, script)
    assert len(history["loss"]) == 2
    assert "Training stops." in messages[0]
    toy.assert_same(watch.model.classifier.get_weights(), overfitted(), rtol=1e-6)


def test_checks_between_batches_stop_within_the_epoch():
    script = Script(e2b2=overfitted())
    watch = guard(SAME, action="stop", every=2)
    _, messages = fit(watch, script)
    assert script.batches == 4 + 2
    assert [(check.epoch, check.batch) for check in watch.checks] == [
        *[(0, None), (1, 2), (1, 4), (1, None)],
        *[(2, 2), (2, None)],
    ]
    assert len(messages) == 1 and "(epoch 2, batch 2)" in messages[0]


def test_each_fit_begins_anew_from_the_weights_it_finds():
    watch = guard(SAME)
    fit(watch, Script(e2=overfitted()))
    assert watch.events and watch.checks[-1].robust == 0.0
    model = watch.model
    history, messages = fit(watch, Script(e2=straight()), model=model)
    assert [check.robust for check in watch.checks] == [0, 0, 1, 1, 1]
    assert not messages and not watch.events


class Spoil(Script):
    """Spoils the weights and the optimizer at a moment."""

    def _play(self, moment):
        if moment in self.weights:
            model = self.model
            for variable in model.classifier.variables:
                variable.assign(np.nan * np.ones(variable.shape))
            for variable in model.optimizer.variables:
                variable.assign(variable + 1)


class Halt(Script):
    """Ends training at a moment."""

    def _play(self, moment):
        if moment in self.weights:
            self.model.stop_training = True


def trained(strategy, *watchers, epochs=2, model=None, seed=0):
    """A model that really trains, with BatchNorm, a head and shuffled data."""
    if model is None:
        model = toy.model(strategy, learning_rate=0.05, head=toy.head())
    keras.utils.set_random_seed(seed)  # of the order of the data
    x, y = toy.data(32)
    model.fit(x, y, batch_size=8, epochs=epochs, callbacks=list(watchers), verbose=0)
    return model


def assert_same_model(first, second):
    for variables in ("weights", "non_trainable_weights"):
        one, other = getattr(first, variables), getattr(second, variables)
        toy.assert_same(toy.values(one), toy.values(other))
    toy.assert_same(
        toy.values(first.optimizer.variables), toy.values(second.optimizer.variables)
    )
    toy.assert_same([first.seed_state.numpy()], [second.seed_state.numpy()])


@pytest.mark.parametrize(
    "good, bad",
    [("e1", "e2"), ("e1b2", "e1b4"), ("e1b4", "e2b2")],
    ids=["epochs", "batches", "batches of two epochs"],
)
@FAST_AND_FREE
def test_roll_back_is_bit_for_bit_the_last_good_check(strategy, good, bad):
    every = 2 if "b" in good else None
    watch = guard(toy.data(32, seed=1), action="roll_back", every=every, drop=0.1)
    with pytest.warns(UserWarning, match="put back to epoch 1"):
        model = trained(strategy, Spoil(**{bad: None}), watch)
    twin = trained(strategy, Halt(**{good: None}))
    assert int(model.optimizer.iterations) > 0
    assert_same_model(model, twin)
    assert [event.epoch for event in watch.events] == [int(bad[1])]
    # All that training needs is back: it goes on as if nothing had happened.
    assert_same_model(
        *(trained(strategy, epochs=1, model=m, seed=1) for m in (model, twin))
    )


@FAST_AND_FREE
def test_roll_back_to_the_beginning_takes_the_optimizer_along(strategy):
    """A model that was trained before, compiled anew: its slots do not exist yet."""
    model = trained(strategy, epochs=6)
    before = toy.values(model.weights)
    model.compile(keras.optimizers.Adam(0.001), metrics=["accuracy"], run_eagerly=True)
    watch = guard(toy.data(32, seed=1), action="roll_back", drop=0.1)
    with pytest.warns(UserWarning, match="put back to before training"):
        trained(strategy, Spoil(e1=None), watch, epochs=1, model=model)
    toy.assert_same(toy.values(model.weights), before)
    slots = [value for value in toy.values(model.optimizer.variables) if value.ndim]
    assert len(slots) > 3 and not any(np.any(value) for value in slots)


def test_the_probe_is_what_evaluate_robustness_says_with_averages_of_batch_norm():
    probe, attack = toy.data(48, seed=1), attacks.PGD(mpat.Linf(0.15), steps=4)
    watch = guard(probe, attack=attack, seed=5, drop=0.9)
    model = trained(FAST, watch, epochs=2)
    result = evaluation.evaluate_robustness(model, probe, attack, seed=5, verbose=False)
    assert 0.1 < result.robust_accuracy < result.clean_accuracy
    assert watch.checks[-1].robust == pytest.approx(result.robust_accuracy)
    assert watch.checks[-1].clean == pytest.approx(result.clean_accuracy)
    fgsm = attacks.FGSM(mpat.Linf(0.15))
    result = evaluation.evaluate_robustness(model, probe, fgsm, verbose=False)
    assert watch.checks[-1].one_step == pytest.approx(result.robust_accuracy)


def test_one_hot_and_column_labels_are_the_same_probe():
    x, y = toy.data(32, seed=1)
    watchers = [
        guard((x, labels), drop=0.9) for labels in (y, y[:, None], np.eye(2)[y])
    ]
    trained(FAST, *watchers, epochs=2)
    first, *others = (watch.checks for watch in watchers)
    assert 0 < first[-1].robust
    assert all(checks == first for checks in others)


def test_a_loaded_model_is_guarded_from_where_it_stands(tmp_path):
    probe = toy.data(32, seed=1)
    watch, again = guard(probe, drop=0.9), guard(probe, drop=0.9)
    trained(FAST, watch, epochs=2).save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    trained(FAST, again, epochs=1, model=loaded)
    last, first = watch.checks[-1], again.checks[0]
    assert (first.epoch, first.robust) == (0, last.robust)


class _Counter(layers.Layer):
    calls = 0

    def call(self, x):
        _Counter.calls += 1
        return x


def test_checks_are_traced_once():
    class Recorder(keras.callbacks.Callback):
        counts: list = []

        def on_train_batch_end(self, batch, logs=None):
            self.counts.append(_Counter.calls)

    classifier = toy.net()
    classifier = keras.Sequential([classifier.inputs[0], _Counter(), classifier])
    model = toy.model(FAST, classifier=classifier, eager=False)
    watch = guard(toy.data(32, seed=1), every=1, drop=0.9)
    recorder = Recorder()
    for _ in range(2):
        trained(FAST, watch, recorder, epochs=2, model=model)
    assert recorder.counts[0] > 0 and len(watch.checks) == 11
    assert len(set(recorder.counts)) == 1


X, Y = toy.data(8)
WRONG_ARGUMENTS = {
    "attack class": (dict(attack=attacks.PGD), "`attack` must be an attack"),
    "attack name": (dict(attack="pgd"), "`attack` must be an attack"),
    "action": (dict(action="rollback"), "`action` must be one of .*'roll_back'"),
    "drop in percent": (dict(drop=20.0), "`drop` must lie between 0 and 1"),
    "drop of none": (dict(drop=0.0), "`drop` must lie between"),
    "drop nan": (dict(drop=float("nan")), "`drop` must lie between"),
    "drop name": (dict(drop="0.2"), "`drop` must lie between"),
    "every": (dict(every=0), "`every` must be an integer >= 1"),
    "every float": (dict(every=2.0), "`every` must be an integer >= 1"),
    "seed": (dict(seed=-1), "`seed` must be an integer >= 0"),
    "lengths": (dict(probe=(X, Y[:5])), r"N labels.*\(8, 4\) and \(5,\)"),
    "one example": (dict(probe=(X[0], Y[0])), "N labels"),
    "empty": (dict(probe=(X[:0], Y[:0])), "at least one input"),
}
WRONG_PROBES = {
    "shape": ((X[:, :2], Y), r"like the model's \(4,\).*\(8, 2\)"),
    "range": ((255 * X, Y), "`x` must lie in the threat model's bounds"),
    "nan": ((np.where(X > 0.7, np.nan, X), Y), "`x` must be finite"),
    "uint8": (((255 * X).astype("uint8"), Y), "`x` must be a float array"),
    "classes": ((X, Y + 1), "`y` must hold the classes 0 … 1"),
    "three columns": ((X, np.eye(3)[Y]), "`y` must be labels"),
}


@pytest.mark.parametrize(
    "kwargs, message", WRONG_ARGUMENTS.values(), ids=WRONG_ARGUMENTS.keys()
)
def test_wrong_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        guard(**{"probe": (X, Y), **kwargs})


@pytest.mark.parametrize(
    "probe, message", WRONG_PROBES.values(), ids=WRONG_PROBES.keys()
)
def test_a_probe_that_does_not_fit_is_named_before_training(probe, message):
    model = toy.model(FAST)
    before = toy.values(model.variables)
    with pytest.raises(ValueError, match=message):
        model.fit(X, Y, callbacks=[guard(probe)], verbose=0)
    toy.assert_same(toy.values(model.variables), before)


def test_a_strategy_without_threat_model_needs_an_attack():
    model = toy.model(training.StandardTraining())
    with pytest.raises(ValueError, match="`attack` must be given"):
        model.fit(X, Y, callbacks=[guard((X, Y))], verbose=0)
    watch = guard((X, Y), attack=attacks.PGD(BALL))
    model.fit(X, Y, callbacks=[watch], verbose=0)
    assert len(watch.checks) == 2


def test_another_kind_of_model_is_named():
    model = toy.net()
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="callback of an AdversarialModel"):
        model.fit(X, np.eye(2)[Y], callbacks=[guard((X, Y))], verbose=0)
