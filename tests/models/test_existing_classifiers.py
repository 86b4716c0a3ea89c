"""Classifiers that users have already: each kind, with and without a head."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat import training
from keras_mpat.models import as_logits, feature_model
from keras_mpat.objectives import CrossEntropy
from tests import existing, toy

IN_SOFTMAX = ".classifier. .* ends in softmax"
# Announced by a warning, which the slow test looks at.
pytestmark = pytest.mark.filterwarnings(f"ignore:{IN_SOFTMAX}")

Y = np.array([0, 1, 2, 1, 0, 2, 2, 1])
PIXELS = np.random.default_rng(0).random((8, *existing.SHAPE), dtype="float32")
PROBABILITIES = ("softmax", "convolution", "application")
TENSORFLOW = keras.backend.backend() == "tensorflow"

# Slow: TensorFlow compiles each grouped convolution of an eager ConvNeXt anew.
APPLICATIONS = ("EfficientNetB0", "ConvNeXtTiny")


def ball(bounds):
    return mpat.Linf("8/255", bounds=bounds)


def pgd(bounds, **kwargs):
    return training.PGDTraining(ball(bounds), steps=1, **kwargs)


def head(with_head=True):
    initializer = keras.initializers.RandomUniform(-0.5, 0.5, seed=5)
    if not with_head:
        return None
    return mpat.SoftTripleHead(3, prototypes_per_class=2, initializer=initializer)


def fit(classifier, strategy, x, **kwargs):
    """(adversarial model after one batch, the views of that batch)."""
    model = mpat.AdversarialModel(classifier, strategy=strategy, **kwargs)
    model.compile(keras.optimizers.SGD(0.05), metrics=["accuracy"], run_eagerly=True)
    seen, perturb = [], model.perturb

    def recorded(x, y):
        views = perturb(x, y)
        seen.append({name: ops.convert_to_numpy(view) for name, view in views.items()})
        return views

    model.perturb = recorded
    history = model.fit(x, Y[: len(x)], batch_size=8, shuffle=False, verbose=0)
    history = history.history
    del model.perturb
    assert all(np.isfinite(value[0]) for value in history.values())
    assert ("head_loss" in history) == (model.head is not None)
    return model, seen


def assert_in_ball(views, x, bounds):
    """Grey levels: the ball of 8/255 has radius 8 in images from 0 to 255."""
    radius = (bounds[1] - bounds[0]) * 8 / 255
    difference = np.abs(views - x).max()
    assert 0.5 * radius < difference <= radius * (1 + 1e-5)
    assert views.min() >= bounds[0] and views.max() <= bounds[1]


class Trained:
    """A kind of classifier after one adversarial batch."""

    def __init__(self, kind, with_head):
        keras.utils.set_random_seed(0)
        self.classifier, self.bounds = existing.KINDS[kind]()
        self.x = PIXELS * self.bounds[1]
        self.before = self.classifier.get_weights()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", IN_SOFTMAX)
            self.model, views = fit(
                self.classifier, pgd(self.bounds), self.x, head=head(with_head)
            )
        self.adversarial = views[0]["adversarial"]
        self.after = self.classifier.get_weights()
        self.logits = ops.convert_to_numpy(self.model(self.x))


CASES = [(kind, with_head) for kind in existing.KINDS for with_head in (False, True)]
CASE_IDS = [f"{kind}-{'head' if with_head else 'alone'}" for kind, with_head in CASES]


@pytest.fixture(params=CASES, ids=CASE_IDS, scope="module")
def trained(request):
    return Trained(*request.param)


@pytest.fixture(params=[False, True], ids=["alone", "head"])
def with_head(request):
    return request.param


def test_examples_lie_in_the_ball(trained):
    assert_in_ball(trained.adversarial, trained.x, trained.bounds)


def test_every_weight_of_the_classifier_is_trained(trained):
    for variable, before, after in zip(
        trained.classifier.weights, trained.before, trained.after, strict=True
    ):
        may = variable.trainable or "moving" in variable.name
        assert np.array_equal(before, after) != may, variable.path


def test_predictions_are_the_logits_of_the_classifier(trained):
    own = ops.convert_to_numpy(trained.classifier(trained.x))
    if trained.classifier.name not in PROBABILITIES:
        own = ops.softmax(own)
    np.testing.assert_allclose(ops.softmax(trained.logits), own, rtol=1e-4, atol=1e-6)
    assert not np.allclose(trained.logits.sum(axis=-1), 1)


def test_attacks_on_it_stay_in_the_ball_and_do_harm(trained):
    attack = mpat.attacks.PGD(ball(trained.bounds), steps=2)
    logits_fn = trained.model.logits_fn()
    x_adv = attack(logits_fn, trained.x, Y)
    assert_in_ball(ops.convert_to_numpy(x_adv), trained.x, trained.bounds)
    loss = CrossEntropy()
    harm = loss(Y, logits_fn(x_adv)) - loss(Y, logits_fn(trained.x))
    assert float(ops.mean(harm)) > 0


def test_it_saves_and_loads_and_trains_on(trained, tmp_path):
    parts = {"model": trained.model, "classifier": trained.model.classifier}
    for name, part in parts.items():
        path = tmp_path / f"{name}.keras"
        part.save(path)
        parts[name] = keras.models.load_model(path)
        np.testing.assert_allclose(
            parts[name](trained.x), part(trained.x), rtol=1e-5, atol=1e-6
        )
    logs = [
        model.train_on_batch(trained.x, Y, return_dict=True)
        for model in (trained.model, parts["model"])
    ]
    assert logs[0] == pytest.approx(logs[1], rel=1e-4)


@pytest.mark.parametrize("name", ["nested", "application", "subclassed"])
def test_evaluation_takes_the_classifier_as_it_is(name):
    classifier, bounds = existing.KINDS[name]()
    model = mpat.AdversarialModel(classifier, strategy=pgd(bounds), head=head())
    x = PIXELS * bounds[1]
    attack = mpat.attacks.PGD(ball(bounds), steps=2)
    result = mpat.evaluation.evaluate_robustness(
        model.classifier, (x, Y), attack, verbose=False
    )
    right = np.argmax(ops.convert_to_numpy(model(x)), axis=-1) == Y
    np.testing.assert_array_equal(result.clean, right)
    assert result.n == 8 and not np.any(result.robust & ~result.clean)


@pytest.mark.parametrize("name", existing.KINDS)
def test_a_head_without_weight_changes_nothing(name):
    """One forward pass serves both, so dropout and BatchNorm act once, too."""
    weights = []
    for with_head in (False, True):
        keras.utils.set_random_seed(4)
        classifier, bounds = existing.KINDS[name]()
        fit(
            classifier,
            pgd(bounds),
            PIXELS * bounds[1],
            head=head(with_head),
            head_weight=0.0 if with_head else 0.5,
        )
        weights.append(classifier.get_weights())
    toy.assert_same(*weights, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", existing.KINDS)
def test_the_head_sees_the_input_of_the_last_layer(name):
    classifier, bounds = existing.KINDS[name]()
    both = feature_model(classifier)
    scores, embedding = map(ops.convert_to_numpy, both(PIXELS * bounds[1]))
    np.testing.assert_allclose(
        scores, classifier(PIXELS * bounds[1]), rtol=1e-5, atol=1e-6
    )
    kernel, bias = classifier.get_weights()[-2:]
    logits = embedding @ kernel.reshape(-1, 3) + bias
    if name in PROBABILITIES:
        logits = ops.convert_to_numpy(ops.softmax(logits))
    np.testing.assert_allclose(logits, scores, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", existing.READABLE)
def test_replace_head_trains(name):
    classifier, bounds = existing.KINDS[name]()
    before = classifier.get_weights()
    model = mpat.replace_head(classifier, head())
    model.compile("sgd", loss=mpat.losses.SoftTriple(), run_eagerly=True)
    logs = model.train_on_batch(PIXELS * bounds[1], Y, return_dict=True)
    assert np.isfinite(logs["loss"])
    after = classifier.get_weights()
    assert not np.array_equal(before[0], after[0])
    np.testing.assert_array_equal(before[-1], after[-1])


def frozen_backbone():
    classifier, _ = existing.nested()
    backbone = classifier.get_layer("backbone")
    backbone.trainable = False
    return classifier, backbone.weights


def frozen_norm():
    classifier, _ = existing.sequential()
    norm = classifier.get_layer("bn")
    norm.trainable = False
    return classifier, norm.weights


def frozen_in_a_subclass():
    classifier, _ = existing.subclassed()
    for part in (classifier.conv, classifier.bn):
        part.trainable = False
    return classifier, [*classifier.conv.weights, *classifier.bn.weights]


BALL = ball(existing.UNIT)
STRATEGIES = {
    "pgd": pgd(existing.UNIT),
    "pgd-batch_stats": pgd(existing.UNIT, norm_mode="batch_stats"),
    "fast": training.FastTraining(BALL),
    "free": training.FreeTraining(BALL, replays=2, batch_size=8),
}
if TENSORFLOW:
    STRATEGIES["fast-train"] = training.FastTraining(BALL, norm_mode="train")


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("freeze", [frozen_backbone, frozen_norm, frozen_in_a_subclass])
def test_frozen_weights_and_statistics_stay_bit_equal(freeze, strategy, with_head):
    classifier, frozen = freeze()
    before = toy.values(frozen)
    rest = [v for v in classifier.trainable_variables]
    started = toy.values(rest)
    fit(classifier, STRATEGIES[strategy], PIXELS, head=head(with_head))
    toy.assert_same(toy.values(frozen), before)
    for variable, value in zip(rest, started, strict=True):
        assert not np.array_equal(ops.convert_to_numpy(variable), value)


def test_training_false_in_a_functional_call_is_no_freeze():
    """Keras lets fit overrule it; README says to set trainable=False."""
    classifier, _ = existing.nested()
    bn = classifier.get_layer("backbone").get_layer("bn")
    fit(classifier, pgd(existing.UNIT), PIXELS)
    assert np.abs(ops.convert_to_numpy(bn.moving_mean)).max() > 0


def test_a_classifier_frozen_as_a_whole_trains_its_head_alone():
    classifier, bounds = existing.sequential()
    classifier.trainable = False
    before = classifier.get_weights()
    model, _ = fit(classifier, pgd(bounds), PIXELS, head=head())
    toy.assert_same(classifier.get_weights(), before)
    assert len(model.trainable_variables) == len(model.head.trainable_variables) > 0


def test_grey_levels_without_bounds_are_told_the_line_to_add():
    classifier, _ = existing.application()
    model = mpat.AdversarialModel(classifier, strategy=pgd(existing.UNIT))
    model.compile("sgd", run_eagerly=True)
    with pytest.raises(ValueError, match=r"Linf\(\.\.\., bounds=\(0, 255\)\)"):
        model.fit(255 * PIXELS, Y, verbose=0)
    with pytest.raises(ValueError, match=r"Linf\(\.\.\., bounds=\(-1, 1\)\)"):
        model.fit(2 * PIXELS - 1, Y, verbose=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", APPLICATIONS)
def test_keras_applications(name, tmp_path):
    build = getattr(keras.applications, name)
    classifier = build(weights=None, classes=3, input_shape=(32, 32, 3))
    x = np.random.default_rng(0).uniform(0, 255, (6, 32, 32, 3)).astype("float32")
    before = classifier.get_weights()
    with pytest.warns(UserWarning, match="ends in softmax"):
        model, views = fit(classifier, pgd(existing.GREY), x, head=head())
    assert_in_ball(views[0]["adversarial"], x, existing.GREY)
    after = classifier.get_weights()
    changed = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert np.mean(changed) > 0.9
    assert model.classifier.output_shape == (None, 3)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(
        loaded.classifier(x), model.classifier(x), rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(
        ops.softmax(model.classifier(x)), classifier(x), rtol=1e-3, atol=1e-5
    )
    assert as_logits(model.classifier) is model.classifier
