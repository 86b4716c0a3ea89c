"""PGD, Fast and any-attack training: vectors, BatchNorm modes, warm-up, one oracle
step."""

from dataclasses import dataclass

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat import attacks, training
from tests import oracles, toy


def linear(kernel):
    """A classifier z = W x with W (C, D), as the vectors write it."""
    kernel = np.array(kernel, "float32").T
    features, classes = kernel.shape
    classifier = keras.Sequential(
        [keras.Input((features,)), layers.Dense(classes, use_bias=False)]
    )
    classifier.set_weights([kernel])
    return classifier


@keras.saving.register_keras_serializable("keras_mpat_tests")
@dataclass(frozen=True, eq=False)
class Fixed(mpat.Linf):
    """An Linf ball whose random start is given: x + start."""

    start: tuple = ()

    def sample(self, x, keys):
        return self.project(x + np.array([self.start], "float32"), x)


def view(strategy, classifier, x, label):
    model = toy.model(strategy, classifier=classifier)
    x = ops.convert_to_tensor(np.array([x], "float32"))
    return ops.convert_to_numpy(model.perturb(x, np.array([label]))["adversarial"])[0]


def test_pgd_vector():
    classifier = linear([[1, -2, 0.5], [-1, 1, 0.25]])
    ball = Fixed(0.1, start=(0.1, -0.1, 0.05))
    expected = [
        [0.56, 0.04, 0.96],
        [0.52, 0.08, 0.92],
        [0.48, 0.12, 0.89],
        [0.44, 0.12, 0.89],
        [0.4, 0.12, 0.89],
    ]
    for steps, x_adv in enumerate(expected, start=1):
        strategy = training.PGDTraining(ball, steps=steps, step_size=0.04)
        np.testing.assert_allclose(
            view(strategy, classifier, [0.5, 0.02, 0.99], 0), x_adv, atol=1e-6
        )
    fgsm = training.AdversarialTraining(attacks.FGSM(mpat.Linf(0.1)))
    np.testing.assert_allclose(
        view(fgsm, classifier, [0.5, 0.02, 0.99], 0), [0.4, 0.12, 0.89], atol=1e-6
    )


def test_fast_vector():
    classifier = linear([[0.2, -0.1], [0, 0.3]])
    strategy = training.FastTraining(Fixed(0.1, start=(0.05, -0.08)), step_size=0.125)
    np.testing.assert_allclose(
        view(strategy, classifier, [0.5, 0.97], 0), [0.425, 1.0], atol=1e-6
    )
    assert training.FastTraining(mpat.Linf(0.1)).attack.step_length == 0.125


def test_fast_starts_uniformly_in_the_whole_ball():
    """With a vanishing step only the start is left."""
    x = ops.convert_to_tensor(np.full((500, 4), 0.5, "float32"))
    strategy = training.FastTraining(mpat.Linf(0.1), step_size=1e-6)
    model = toy.model(strategy)
    views = model.perturb(x, np.zeros(500, "int32"))
    start = ops.convert_to_numpy(views["adversarial"]) - 0.5
    assert np.abs(start).max() == pytest.approx(0.1, abs=2e-4)
    assert start.std() == pytest.approx(0.1 / np.sqrt(3), rel=0.05)
    assert abs(start.mean()) < 0.006
    again = ops.convert_to_numpy(model.perturb(x, np.zeros(500))["adversarial"])
    assert np.abs(again - 0.5 - start).max() > 0.05


def test_one_whole_step_equals_a_slow_oracle():
    """x_adv, CE + lambda_1 (L_ST + tau Reg) + lambda_2 L_norm, its gradient, SGD."""
    rng = np.random.default_rng(2)
    x, y = rng.uniform(0.1, 0.9, (3, 4)), np.array([0, 2, 1])
    first, last = rng.normal(size=(4, 5)) / 2, rng.normal(size=(5, 3)) / 2
    prototypes = rng.normal(size=(3, 2, 5))
    head_weight, norm_weight, rate = 0.7, 0.05, 0.3
    classifier = keras.Sequential(
        [
            keras.Input((4,)),
            layers.Dense(5, use_bias=False),
            layers.Dense(3, use_bias=False),
        ]
    )
    classifier.set_weights([first, last])
    head = mpat.SoftTripleHead(3, prototypes_per_class=2)
    model = mpat.AdversarialModel(
        classifier,
        strategy=training.AdversarialTraining(
            attacks.BIM(mpat.Linf(0.1), steps=3, step_size=0.06)
        ),
        head=head,
        head_weight=head_weight,
        regularizer="weights",
        regularizer_weight=norm_weight,
    )
    head.prototypes.assign(prototypes)
    model.compile(keras.optimizers.SGD(rate), run_eagerly=True)

    x_adv = np.array(
        [
            oracles.linear_pgd(row, label, first @ last, 0.1, 0.06, 3)
            for row, label in zip(x, y, strict=True)
        ]
    )

    def terms(flat):
        one, two = flat[:20].reshape(4, 5), flat[20:35].reshape(5, 3)
        own = list(flat[35:].reshape(3, 2, 5))
        hidden = x_adv @ one
        pairs = zip(hidden @ two, y, strict=True)
        ce = np.mean([oracles.cross_entropy(z, label) for z, label in pairs])
        cosines = oracles.soft_triple_similarities(hidden, own)
        dml = oracles.soft_triple_losses(cosines, y).mean()
        dml += 0.2 * oracles.soft_triple_regularizer(own)
        return ce, dml, 0.5 * (np.sum(one**2) + np.sum(two**2))

    def total(flat):
        ce, dml, norm = terms(flat)
        return ce + head_weight * dml + norm_weight * norm

    start = np.concatenate([first.ravel(), last.ravel(), prototypes.ravel()])
    expected = start - rate * oracles.finite_differences(total, start)
    logs = model.train_on_batch(x.astype("float32"), y, return_dict=True)
    ce, dml, _ = terms(start)
    assert logs["loss"] == pytest.approx(total(start), rel=1e-5)
    assert logs["ce_loss"] == pytest.approx(ce, rel=1e-5)
    assert logs["head_loss"] == pytest.approx(dml, rel=1e-5)
    after = [*classifier.get_weights(), ops.convert_to_numpy(head.prototypes.value)]
    flat = np.concatenate([array.ravel() for array in after])
    np.testing.assert_allclose(flat, expected, rtol=1e-4, atol=2e-5)
    assert np.abs(expected - start).max() > 0.01


def batch_norm_values(model):
    return toy.values(model.classifier.non_trainable_variables)


@pytest.mark.parametrize("mode", training.strategy.NORM_MODES)
def test_norm_modes(mode):
    x, y = toy.data(16)
    x = ops.convert_to_tensor(x)
    attack = attacks.BIM(mpat.Linf(0.1), steps=2)
    model = toy.model(training.AdversarialTraining(attack, norm_mode=mode))
    before = batch_norm_values(model)
    x_adv = ops.convert_to_numpy(model.perturb(x, y)["adversarial"])
    moved = batch_norm_values(model)

    expected = {}
    for statistics in (False, True):
        twin = toy.net()
        found = attack(lambda z, s=statistics, t=twin: t(z, training=s), x, y)
        expected[statistics] = ops.convert_to_numpy(found), twin
    assert np.abs(expected[True][0] - expected[False][0]).max() > 0.01
    np.testing.assert_allclose(x_adv, expected[mode != "eval"][0], atol=1e-6)
    if mode == "train":
        twin = expected[True][1]
        toy.assert_same(moved, toy.values(twin.non_trainable_variables), rtol=1e-6)
        assert not np.array_equal(moved[0], before[0])
    else:
        toy.assert_same(moved, before)


class Scales(keras.callbacks.Callback):
    """The factor on epsilon in each update."""

    def on_train_begin(self, logs=None):
        self.scales = []

    def on_train_batch_end(self, batch, logs=None):
        value = self.model.strategy_state["epsilon_scale"]
        self.scales.append(float(ops.convert_to_numpy(value)))


def fitted_scales(strategy, epochs, initial_epoch=0, stream=False):
    x, y = toy.data(16)
    recorder = Scales()
    model = toy.model(strategy, classifier=toy.net(batch_norm=False))
    kwargs = {"epochs": epochs, "initial_epoch": initial_epoch, "verbose": 0}
    if stream:
        tf = pytest.importorskip("tensorflow")
        data = tf.data.Dataset.from_tensor_slices((x, y)).batch(4)
        model.fit(data.filter(lambda *_: True), callbacks=[recorder], **kwargs)
    else:
        model.fit(x, y, batch_size=4, callbacks=[recorder], **kwargs)
    return recorder.scales


def pgd(**kwargs):
    return training.PGDTraining(mpat.Linf(0.1), steps=1, **kwargs)


def test_warm_up_is_linear_over_the_steps():
    scales = fitted_scales(pgd(warmup_epochs=2), 3)
    np.testing.assert_allclose(
        scales, [k / 8 for k in range(1, 9)] + [1.0] * 4, atol=1e-6
    )


def test_clean_epochs_come_first():
    scales = fitted_scales(pgd(clean_epochs=1, warmup_epochs=1), 3)
    np.testing.assert_allclose(
        scales, [0.0] * 4 + [0.25, 0.5, 0.75, 1.0] + [1.0] * 4, atol=1e-6
    )


def test_clean_epochs_without_warm_up_end_in_a_jump():
    assert fitted_scales(pgd(clean_epochs=1), 2) == [0.0] * 4 + [1.0] * 4


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_a_stream_of_unknown_length_takes_one_value_per_epoch():
    scales = fitted_scales(pgd(clean_epochs=1, warmup_epochs=2), 3, stream=True)
    np.testing.assert_allclose(scales, [0.0] * 4 + [0.5] * 4 + [1.0] * 4)


def test_a_resumed_fit_continues_the_schedule():
    scales = fitted_scales(pgd(warmup_epochs=2), 2, initial_epoch=1)
    np.testing.assert_allclose(scales, [5 / 8, 6 / 8, 7 / 8, 1.0], atol=1e-6)


def test_free_counts_every_replay():
    strategy = training.FreeTraining(
        mpat.Linf(0.1), replays=2, batch_size=4, warmup_epochs=1
    )
    np.testing.assert_allclose(
        fitted_scales(strategy, 2), [0.25, 0.5, 0.75, 1.0] + [1.0] * 4, atol=1e-6
    )


@keras.saving.register_keras_serializable("keras_mpat_tests")
@dataclass(frozen=True, eq=False)
class Counting(attacks.Attack):
    """Moves every feature to the edge of the ball, and counts its calls."""

    threat_model: mpat.ThreatModel
    calls = [0]

    def search(self, logits_fn, x, targets, keys):
        self.calls[0] += 1
        return x + self.threat_model.radius


def test_a_clean_epoch_skips_the_attack_and_epsilon_follows_the_scale():
    strategy = training.AdversarialTraining(
        Counting(mpat.Linf(0.1)), clean_epochs=1, warmup_epochs=2
    )
    model = toy.model(strategy)
    x, y = toy.data(4)
    x = ops.convert_to_tensor(x)

    def moved():
        x_adv = model.perturb(x, y)["adversarial"]
        return ops.convert_to_numpy(x_adv - x)

    Counting.calls[0] = 0
    strategy.begin_epoch(model, 0, 4)
    assert np.all(moved() == 0.0)
    assert Counting.calls[0] == 0
    strategy.begin_epoch(model, 1, 4)
    np.testing.assert_allclose(moved(), 0.1 / 8, atol=1e-6)
    np.testing.assert_allclose(moved(), 0.2 / 8, atol=1e-6)
    assert Counting.calls[0] == 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"norm_mode": "training"}, "norm_mode"),
        ({"clean_epochs": -1}, "clean_epochs"),
        ({"warmup_epochs": 1.5}, "warmup_epochs"),
        ({"warmup_epochs": True}, "warmup_epochs"),
        ({"steps": 0}, "steps"),
        ({"step_size": -0.1}, "step_size"),
    ],
    ids=repr,
)
def test_wrong_arguments_are_named_where_they_are_made(arguments, named):
    with pytest.raises(ValueError, match=f"^`{named}` must be .*Received"):
        training.PGDTraining(mpat.Linf(0.1), **arguments)
