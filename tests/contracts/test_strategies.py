"""What every strategy promises, whatever it does to a batch."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat import training
from keras_mpat.models import interval
from tests import toy
from tests.contracts.strategies_table import BALL, BATCH, COUPLED, STRATEGIES

EPOCHS = 6
X, Y = toy.data()
ATTACK = mpat.attacks.FGSM(BALL)


@keras.saving.register_keras_serializable("keras_mpat_tests")
class CallCounter(keras.layers.Layer):
    """Passes its input on and counts how often Python runs it: eagerly or traced."""

    calls = 0

    def call(self, x):
        CallCounter.calls += 1
        return x


class Recorder(keras.callbacks.Callback):
    """Traces so far at the end of each batch and of each epoch."""

    def __init__(self):
        super().__init__()
        self.batches, self.epochs = [], []

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append(CallCounter.calls)

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(CallCounter.calls)


def trained(name):
    """(model, history, recorder): one compiled training of the row."""
    classifier = toy.net()
    classifier = keras.Sequential([classifier.inputs[0], CallCounter(), classifier])
    model = toy.model(
        STRATEGIES[name],
        classifier=classifier,
        eager=False,
        learning_rate=0.02,
        head=toy.head(),
        head_weight=0.1,
        validation_attack=ATTACK,
    )
    recorder = Recorder()
    history = model.fit(
        X,
        Y,
        batch_size=BATCH,
        epochs=EPOCHS,
        validation_data=(X, Y),
        callbacks=[recorder],
        shuffle=False,
        verbose=0,
    )
    return model, history.history, recorder


# Of a strategy's rows, those whose promises another row makes nearly the same way.
VARIANTS = ("bim", "n_fgsm-l2", "free-ce", "feature_scattering-l2", "trades-l2")
VARIANTS += ("awp-trades", "mtl_ibp-l2", "pgd-bfloat16")


def _rows():
    for name in STRATEGIES:
        marks = [pytest.mark.slow] if name in VARIANTS else []
        yield pytest.param(name, marks=marks, id=name)


@pytest.fixture(params=list(_rows()))
def name(request):
    return request.param


@pytest.fixture
def strategy(name):
    return STRATEGIES[name]


def steps(model, count=3, size=BATCH, **kwargs):
    """Some updates on the same batch, without fit; returns the last logs."""
    for _ in range(count):
        logs = model.train_on_batch(X[:size], Y[:size], return_dict=True, **kwargs)
    return logs


def test_a_whole_training(name, monkeypatch):
    """One test: several workers would train a shared model several times."""
    for known in ("_PASSING", "_KNOWN"):  # of bounds, which the counter does not change
        kinds = [*getattr(interval, known), CallCounter]
        monkeypatch.setattr(interval, known, tuple(kinds))
    model, history, recorder = trained(name)
    _check_logs({k: v for k, v in history.items() if k not in model.strategy.logged})
    assert set(model.strategy.logged) <= set(history)
    _check_evaluation(model, history)
    # Traced in the first batch and by the first validation, then never again.
    per_epoch = len(X) // BATCH
    assert recorder.batches[0] > 0
    assert set(recorder.batches[:per_epoch]) == {recorder.batches[0]}
    assert set(recorder.epochs) == {recorder.epochs[0]}
    # jit_compile="auto" is XLA on an accelerator and on JAX, a plain graph on a CPU.
    tensorflow = mpat.backend.NAME == "tensorflow"
    assert model.jit_compile is (mpat.backend.has_accelerator() or not tensorflow)


def _check_logs(history):
    assert set(history) == {
        "loss",
        "ce_loss",
        "head_loss",
        "accuracy",
        "val_loss",
        "val_accuracy",
        "val_robust_accuracy",
        "val_worst_class_robust_accuracy",
    }
    assert history["ce_loss"][-1] < 0.6 * history["ce_loss"][0]
    assert history["loss"][-1] < 0.6 * history["loss"][0]
    assert history["val_accuracy"][-1] > 0.95


def _check_evaluation(model, history):
    logs = model.evaluate(X, Y, batch_size=BATCH, verbose=0, return_dict=True)
    robust = {"robust_accuracy", "worst_class_robust_accuracy"}
    assert set(logs) == {"loss", "accuracy"} | robust
    x_adv = ATTACK(model.logits_fn(), ops.convert_to_tensor(X), Y)
    guesses = np.argmax(ops.convert_to_numpy(model.classifier(x_adv)), axis=-1)
    assert logs["robust_accuracy"] == pytest.approx(np.mean(guesses == Y))
    assert history["val_robust_accuracy"][-1] == pytest.approx(logs["robust_accuracy"])


def test_deterministic_by_seed(strategy):
    models = [
        toy.model(strategy, head=toy.head(), seed=seed, classifier=toy.net())
        for seed in (3, 3, 4)
    ]
    for model in models:
        steps(model, 2)
    first, second = (toy.values(model.variables) for model in models[:2])
    toy.assert_same(first, second)
    one, other = (toy.values(m.classifier.trainable_variables) for m in models[1:])
    differs = any(not np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    inner = getattr(strategy, "strategy", strategy)
    kinds = ("AdversarialTraining", "FreeTraining", "StandardTraining")
    assert differs == (type(inner).__name__ not in kinds)  # BIM starts at the image


@pytest.mark.one_backend
def test_config_round_trip(strategy):
    config = keras.saving.serialize_keras_object(strategy)
    twin = keras.saving.deserialize_keras_object(config)
    assert twin == strategy
    assert repr(strategy).startswith(f"{type(strategy).__name__}(")
    assert keras.saving.serialize_keras_object(twin) == config


def test_keras_file_continues_exactly(strategy, tmp_path):
    model = toy.model(strategy, head=toy.head(), validation_attack=ATTACK)
    steps(model, 1)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.strategy == strategy
    assert loaded.validation_attack == ATTACK
    assert loaded.head.get_config() == model.head.get_config()
    toy.assert_same(toy.values(loaded.variables), toy.values(model.variables))
    assert steps(model, 1).keys() == steps(loaded, 1).keys()
    toy.assert_same(toy.values(loaded.variables), toy.values(model.variables))
    toy.assert_same(
        toy.values(loaded.optimizer.variables), toy.values(model.optimizer.variables)
    )


def without_batch_norm(strategy):
    return toy.model(strategy, classifier=toy.net(batch_norm=False), head=toy.head())


@pytest.mark.one_backend
def test_an_example_of_weight_zero_is_absent(name, strategy):
    if name in COUPLED:
        pytest.skip("its attack compares whole batches")
    half = BATCH // 2
    weights = np.array([2.0] * half + [0.0] * half, "float32")
    weighted, alone = (without_batch_norm(strategy) for _ in range(2))
    first = steps(weighted, 2, sample_weight=weights)
    second = steps(alone, 2, size=half)
    for key in ("loss", "ce_loss", "head_loss"):
        assert first[key] == pytest.approx(second[key], rel=1e-4), key
    toy.assert_same(
        toy.values(weighted.classifier.variables + weighted.head.variables),
        toy.values(alone.classifier.variables + alone.head.variables),
        rtol=1e-4,
        atol=1e-6,
    )


@pytest.mark.one_backend
def test_class_weight_is_the_sample_weight_of_the_class(strategy):
    by_class, by_example, plain = (without_batch_norm(strategy) for _ in range(3))
    steps(by_class, 1, class_weight={0: 0.5, 1: 3.0})
    steps(by_example, 1, sample_weight=np.where(Y[:BATCH] == 1, 3.0, 0.5))
    steps(plain, 1)
    weights = [toy.values(m.trainable_variables) for m in (by_class, by_example)]
    toy.assert_same(*weights, rtol=1e-6, atol=1e-7)
    difference = weights[0][0] - toy.values(plain.trainable_variables)[0]
    assert np.abs(difference).max() > 1e-4


@pytest.mark.one_backend
def test_zero_weights_are_no_head_and_no_regularizer(strategy):
    plain = toy.model(strategy)
    zero = toy.model(
        strategy,
        head=toy.head(),
        head_weight=0.0,
        regularizer="features",
        regularizer_weight=0.0,
    )
    logs, zero_logs = steps(plain, 2), steps(zero, 2)
    assert "head_loss" in zero_logs and "head_loss" not in logs
    # Of bounds, a kernel has a third gradient, and floats depend on the order of three.
    rounding = 1e-6 if isinstance(strategy, training.MTLIBPTraining) else 0
    for key in ("loss", "ce_loss", "accuracy"):
        assert zero_logs[key] == pytest.approx(logs[key], rel=rounding, abs=0), key
    toy.assert_same(
        toy.values(zero.classifier.variables),
        toy.values(plain.classifier.variables),
        rtol=10 * rounding,
        atol=rounding,
    )


def open_schedule(model):
    """Moves a strategy with a schedule to its full epsilon."""
    model.strategy.begin_epoch(model, 100, 4)


@pytest.mark.one_backend
def test_views_stay_in_the_ball(strategy):
    reach = 3 if isinstance(strategy, training.NFGSMTraining) else 1  # as published
    model = toy.model(strategy, head=toy.head())
    open_schedule(model)
    steps(model, 2)
    edge = X[:BATCH].copy()
    edge[0], edge[1] = 0.0, 1.0
    views = model.perturb(ops.convert_to_tensor(edge), Y[:BATCH])
    ball = strategy.threat_model
    if ball is None:
        assert list(views) == ["clean"]
        np.testing.assert_array_equal(ops.convert_to_numpy(views["clean"]), edge)
        return
    x_adv = ops.convert_to_numpy(views["adversarial"])
    distance = ops.convert_to_numpy(ball.distance(x_adv, edge))
    assert np.all(distance <= reach * ball.radius * (1 + 1e-5))
    assert reach == 1 or np.mean(distance > 1.2 * ball.radius) > 0.5
    assert np.mean(distance > 0.5 * ball.radius) > 0.6
    assert x_adv.min() >= 0.0 and x_adv.max() <= 1.0


def test_only_the_optimizer_moves_trainable_weights(strategy):
    model = toy.model(strategy, head=toy.head(), learning_rate=0.0)
    open_schedule(model)
    trainable = model.classifier.trainable_variables + model.head.variables
    before = toy.values(trainable)
    others = toy.values(model.classifier.non_trainable_variables)
    steps(model, 2)
    toy.assert_same(toy.values(trainable), before)
    moved = toy.values(model.classifier.non_trainable_variables)
    assert any(not np.array_equal(a, b) for a, b in zip(moved, others, strict=True))


def test_batch_norm_sees_the_adversarial_batch_once_per_update(name, strategy):
    if name == "fast-train" or strategy.updates_per_batch > 1:
        pytest.skip("its averages move more than once per batch; tested by itself")
    if name.startswith("awp"):
        pytest.skip("its averages are those of moved weights; tested by itself")
    model, twin = (toy.model(strategy, head=toy.head()) for _ in range(2))
    open_schedule(model)
    open_schedule(twin)
    views = twin.perturb(ops.convert_to_tensor(X[:BATCH]), Y[:BATCH])
    batches = [x for name, x in views.items() if name not in strategy.constants]
    if strategy.joint_forward:
        batches = [ops.concatenate(batches)]
    for batch in batches:
        twin.classifier(batch, training=True)
    steps(model, 1)
    toy.assert_same(
        toy.values(model.classifier.non_trainable_variables),
        toy.values(twin.classifier.non_trainable_variables),
        rtol=1e-5,
        atol=1e-7,
    )


def test_smaller_last_batch(strategy):
    model = toy.model(strategy, head=toy.head())
    n = BATCH + BATCH // 2 + 1
    history = model.fit(X[:n], Y[:n], batch_size=BATCH, verbose=0, shuffle=False)
    assert np.isfinite(history.history["loss"][0])
    assert int(model.optimizer.iterations) == 2 * strategy.updates_per_batch
