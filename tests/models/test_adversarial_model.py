"""AdversarialModel: what it connects, beside the promises of the strategies."""

import os
import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat import training
from tests import toy

X, Y = toy.data(32)
BALL = mpat.Linf(0.1)
PGD = training.PGDTraining(BALL, steps=2)


def run(script, *arguments, path=()):
    """Runs a script in a process of its own; returns what it printed."""
    environment = {**os.environ, "PYTHONSAFEPATH": "1"}  # no folder of the caller
    here = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment["PYTHONPATH"] = os.pathsep.join([*path, here])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize(
    "strategy", [PGD, training.FreeTraining(BALL, replays=2, batch_size=16)], ids=repr
)
def test_head_and_regularizers_change_the_update(strategy):
    weights = []
    for kwargs in (
        {},
        {"head": toy.head()},
        {"regularizer": "weights", "regularizer_weight": 0.1},
        {"regularizer": "features", "regularizer_weight": 0.1},
    ):
        model = toy.model(strategy, **kwargs)
        model.train_on_batch(X[:16], Y[:16])
        weights.append(toy.values(model.classifier.trainable_variables)[0])
    for i in range(4):
        for j in range(i):
            assert np.abs(weights[i] - weights[j]).max() > 1e-5, (i, j)


def test_terms_of_the_loss():
    classifier = toy.net(batch_norm=False)
    head = toy.head(tau=0.7)
    arguments = dict(classifier=classifier, learning_rate=0.0, head=head)
    logs = {}
    for regularizer in ("weights", "features"):
        model = toy.model(
            training.StandardTraining(),
            head_weight=0.3,
            regularizer=regularizer,
            regularizer_weight=2.0,
            **arguments,
        )
        logs[regularizer] = model.train_on_batch(X, Y, return_dict=True)
    kernels = [w for w in classifier.get_weights() if w.ndim == 2]
    hidden = keras.Model(classifier.inputs[0], classifier.layers[-1].input)
    embedding = ops.convert_to_numpy(hidden(X))
    norms = {
        "weights": 0.5 * sum(np.sum(kernel**2) for kernel in kernels),
        "features": np.mean(embedding**2),
    }
    for name, norm in norms.items():
        log = logs[name]
        expected = log["ce_loss"] + 0.3 * log["head_loss"] + 2.0 * norm
        assert log["loss"] == pytest.approx(expected, rel=1e-5)
    logits = ops.convert_to_numpy(classifier(X))
    ce = np.log(np.exp(logits).sum(-1)) - logits[np.arange(32), Y]
    assert logs["weights"]["ce_loss"] == pytest.approx(ce.mean(), rel=1e-5)
    similarity = float(head.loss()(Y, head.logits(embedding)))
    total = similarity + float(head.regularization())
    assert float(head.regularization()) > 0.1
    assert logs["weights"]["head_loss"] == pytest.approx(total, rel=1e-5)


def replaced(head, classifier):
    model = mpat.replace_head(classifier, head)
    model.compile(
        keras.optimizers.SGD(0.1, momentum=0.9),
        loss=mpat.losses.SoftTriple(head.margin, head.scale),
        run_eagerly=True,
    )
    return model


def test_both_routes_give_the_same_numbers():
    """The head beside the classifier, and in the place of its last layer."""
    beside = toy.model(training.StandardTraining(), head=toy.head(), head_weight=1.0)
    instead = replaced(toy.head(), toy.net())
    first = beside.train_on_batch(X, Y, return_dict=True)
    second = instead.train_on_batch(X, Y, return_dict=True)
    assert first["head_loss"] == pytest.approx(second["loss"], rel=1e-6)
    assert second["loss"] > 1.0
    # The head sees no cross-entropy, so its update is the same, too.
    toy.assert_same(
        toy.values(beside.head.variables),
        toy.values(instead.layers[-1].variables),
        rtol=1e-6,
    )


def test_streams_and_column_labels_train_the_same():
    tf = pytest.importorskip("tensorflow")
    plain, column, stream = (toy.model(PGD, head=toy.head()) for _ in range(3))
    plain.fit(X, Y, batch_size=16, verbose=0, shuffle=False)
    column.fit(X, Y[:, None], batch_size=16, verbose=0, shuffle=False)
    stream.fit(tf.data.Dataset.from_tensor_slices((X, Y)).batch(16), verbose=0)
    for other in (column, stream):
        toy.assert_same(
            toy.values(other.trainable_variables),
            toy.values(plain.trainable_variables),
            rtol=1e-5,
            atol=1e-6,
        )


def test_one_hot_labels_with_a_categorical_loss_train_the_same():
    attack = mpat.attacks.FGSM(BALL)
    models = [
        mpat.AdversarialModel(
            toy.net(), strategy=PGD, head=toy.head(), validation_attack=attack
        )
        for _ in range(2)
    ]
    losses = [None, keras.losses.CategoricalCrossentropy(from_logits=True)]
    logs = []
    for model, loss, y in zip(models, losses, [Y, np.eye(2)[Y]], strict=True):
        model.compile(
            keras.optimizers.SGD(0.1), loss=loss, metrics=["accuracy"], run_eagerly=True
        )
        history = model.fit(
            X, y, batch_size=16, verbose=0, shuffle=False, validation_data=(X, y)
        )
        logs.append(history.history)
    assert logs[0].keys() == logs[1].keys()
    for key, (value,) in logs[0].items():
        assert logs[1][key][0] == pytest.approx(value, rel=1e-5), key


def test_a_softmax_is_rewired_with_one_warning():
    classifier = keras.Sequential([*toy.net().layers, layers.Softmax()])
    classifier.build((None, 4))
    with pytest.warns(UserWarning, match="ends in softmax") as caught:
        model = mpat.AdversarialModel(classifier, strategy=PGD, head=toy.head())
    assert len(caught) == 1
    logits = ops.convert_to_numpy(model(X))
    assert np.abs(logits.sum(-1) - 1).max() > 0.1
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.softmax(logits)),
        ops.convert_to_numpy(classifier(X)),
        rtol=1e-5,
    )
    model.compile("sgd", run_eagerly=True)
    before = classifier.get_weights()[0]
    model.train_on_batch(X, Y)
    assert not np.array_equal(classifier.get_weights()[0], before)


def test_robust_accuracy_ignores_sample_weights_as_accuracy_does():
    attack = mpat.attacks.FGSM(mpat.Linf(1e-6))
    model = toy.model(PGD, validation_attack=attack)
    right = np.argmax(ops.convert_to_numpy(model(X)), -1) == Y
    assert 0 < right.mean() < 1
    logs = model.evaluate(
        X,
        Y,
        sample_weight=right.astype("float32"),
        verbose=0,
        return_dict=True,
    )
    assert logs["robust_accuracy"] == logs["accuracy"] == pytest.approx(right.mean())


def test_predict_and_summary_are_those_of_the_classifier():
    model = toy.model(PGD, head=toy.head())
    np.testing.assert_array_equal(
        model.predict(X, verbose=0), model.classifier.predict(X, verbose=0)
    )
    lines = []
    model.summary(print_fn=lines.append)
    assert "soft_triple_head" in "\n".join(lines)


def test_prototypes_train_and_count_among_the_weights():
    model = toy.model(PGD, head=toy.head())
    before = ops.convert_to_numpy(model.head.prototypes.value)
    model.train_on_batch(X, Y)
    after = ops.convert_to_numpy(model.head.prototypes.value)
    assert np.abs(after - before).max() > 1e-4
    assert sum(v is model.head.prototypes for v in model.trainable_variables) == 1


RESUME = """
    import sys, keras, numpy as np
    import keras_mpat
    from tests import toy
    folder = sys.argv[1]
    x, y = toy.data(48)
    for name in sys.argv[2:]:
        model = keras.models.load_model(f"{folder}/{name}.keras")
        model.fit(
            x, y, batch_size=16, initial_epoch=2, epochs=4, shuffle=False, verbose=0
        )
        values = toy.values(model.variables + model.optimizer.variables)
        np.savez(f"{folder}/{name}.npz", *values)
"""
ADAM = keras.optimizers.Adam


def resumed_models():
    """By name, models whose state is more than the weights of the classifier."""
    strategies = {
        "pgd": PGD,
        "free": training.FreeTraining(
            BALL, replays=2, batch_size=16, clean_epochs=1, warmup_epochs=2
        ),
    }
    for name, strategy in strategies.items():
        model = mpat.AdversarialModel(
            toy.net(), strategy=strategy, head=toy.head(), seed=11
        )
        model.compile(ADAM(0.01), metrics=["accuracy"])
        yield name, model
    model = mpat.replace_head(toy.net(), toy.head())
    model.compile(ADAM(0.01), loss=mpat.losses.SoftTriple(0.01, 20))
    yield "replaced", model


def test_saved_models_continue_exactly_in_a_fresh_process(tmp_path):
    x, y = toy.data(48)
    options = dict(batch_size=16, shuffle=False, verbose=0)
    expected = {}
    for name, model in resumed_models():
        model.fit(x, y, epochs=2, **options)
        model.save(tmp_path / f"{name}.keras")
        model.fit(x, y, initial_epoch=2, epochs=4, **options)
        expected[name] = toy.values(model.variables + model.optimizer.variables)
    run(RESUME, tmp_path, *expected)
    for name, values in expected.items():
        with np.load(tmp_path / f"{name}.npz") as stored:
            toy.assert_same([stored[key] for key in stored.files], values)


PREDICT = """
    import sys, keras, numpy as np
    try:
        import keras_mpat
    except ImportError as error:
        assert "blocked" in str(error)
    else:
        raise SystemExit("keras_mpat could be imported")
    folder = sys.argv[1]
    model = keras.models.load_model(f"{folder}/classifier.keras")
    x = np.load(f"{folder}/x.npy")
    np.save(f"{folder}/logits.npy", model.predict(x, verbose=0))
"""


def test_the_classifier_needs_no_keras_mpat(tmp_path):
    classifier = mpat.models.lenet(3, input_shape=(8, 8, 1), filters=(2, 3), units=4)
    model = toy.model(
        PGD, classifier=classifier, head=mpat.SoftTripleHead(3, prototypes_per_class=2)
    )
    x = np.random.default_rng(0).uniform(size=(6, 8, 8, 1)).astype("float32")
    model.train_on_batch(x, np.array([0, 1, 2] * 2))
    model.classifier.save(tmp_path / "classifier.keras")
    np.save(tmp_path / "x.npy", x)
    stub = tmp_path / "stub"
    stub.mkdir()
    (stub / "keras_mpat.py").write_text('raise ImportError("blocked")')
    run(PREDICT, tmp_path, path=[str(stub)])
    np.testing.assert_allclose(
        np.load(tmp_path / "logits.npy"),
        model.classifier.predict(x, verbose=0),
        rtol=1e-5,
        atol=1e-6,
    )


def test_config_keeps_every_argument():
    model = mpat.AdversarialModel(
        toy.net(),
        strategy=PGD,
        head=toy.head(),
        head_weight=0.3,
        regularizer="features",
        regularizer_weight=0.2,
        validation_attack=mpat.attacks.FGSM(BALL),
        seed=9,
        name="robust",
    )
    twin = mpat.AdversarialModel.from_config(model.get_config())
    for name in (
        "strategy",
        "head_weight",
        "regularizer",
        "regularizer_weight",
        "validation_attack",
        "feature_layer",
        "seed",
        "name",
        "num_classes",
    ):
        assert getattr(twin, name) == getattr(model, name), name


@pytest.mark.parametrize("place", ["name", "layer"])
def test_feature_layer_survives_saving(place, tmp_path):
    classifier = toy.net()
    wanted = classifier.layers[0]
    model = toy.model(
        PGD,
        classifier=classifier,
        head=toy.head(),
        feature_layer=wanted.name if place == "name" else wanted,
    )
    model.train_on_batch(X, Y)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.feature_layer == wanted.name
    for m in (model, loaded):
        m.train_on_batch(X, Y)
    toy.assert_same(
        toy.values(loaded.trainable_variables), toy.values(model.trainable_variables)
    )


@keras.saving.register_keras_serializable("keras_mpat_tests")
class Subclassed(keras.Model):
    """A classifier whose layers cannot be read."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.logits = layers.Dense(2)

    def call(self, x, training=False):
        return self.logits(x)


@pytest.mark.parametrize(
    "strategy", [PGD, training.FreeTraining(BALL, replays=2, batch_size=32)], ids=str
)
def test_a_subclassed_classifier_trains_without_a_head(strategy, tmp_path):
    classifier = Subclassed()
    classifier(X)
    model = toy.model(strategy, classifier=classifier)
    before = classifier.get_weights()[0]
    model.train_on_batch(X, Y)
    assert not np.array_equal(classifier.get_weights()[0], before)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    toy.assert_same(toy.values(loaded.variables), toy.values(model.variables))
    attack = mpat.attacks.FGSM(BALL)
    results = [
        mpat.evaluation.evaluate_robustness(m, (X, Y), attack, verbose=False)
        for m in (model, loaded)
    ]
    assert results[0] == results[1]
    with pytest.raises(ValueError, match="must show where its embedding is"):
        mpat.AdversarialModel(classifier, strategy=strategy, head=toy.head())
