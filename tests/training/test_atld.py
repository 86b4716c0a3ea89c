"""ATLD step by step: what moves, what is saved, and the inference behind it."""

import keras
import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat import noise
from keras_mpat.models.manifold_transformation import share_of_step
from tests import toy
from tests.evaluation.asked import answer

pytestmark = pytest.mark.skipif(
    mpat.backend.NAME != "tensorflow", reason="a second optimizer needs TensorFlow"
)
BALL = mpat.Linf(0.1)
SMALL = {"widths": (8,), "blocks": 1}
X, Y = toy.data(32)


def _model(**options):
    strategy = mpat.training.ATLDTraining(BALL, **SMALL | options)
    return toy.model(strategy, classifier=toy.net())


def _learned(model):
    return toy.values(model.strategy_state["discriminator"].learned)


def test_each_batch_moves_the_discriminator_twice_and_keras_does_not():
    model = _model(decay=0.0)
    names = {w.path for w in model.trainable_variables}
    assert not names & {w.path for w in model.strategy_state["discriminator"].weights}
    model.train_on_batch(X, Y)
    model.train_on_batch(X, Y)
    optimizer = model.strategy_state["discriminator_optimizer"]
    assert int(optimizer.iterations) == 4 and int(model.optimizer.iterations) == 2
    with pytest.raises(AssertionError):
        toy.assert_same(_learned(model), _learned(_model(decay=0.0)))


def test_its_first_update_is_the_gradient_of_the_published_loss():
    """Against central differences of the loss, in NumPy's precision of one weight."""
    model = _model(updates=1, decay=0.1, learning_rate=1.0, label_smoothing=0.2)
    twin = _model(updates=1, decay=0.1, learning_rate=1.0, label_smoothing=0.2)
    x = ops.convert_to_tensor(X)
    views = model.perturb(x, Y)
    natural = views["natural_logits"]
    attacked = twin.logits_fn("batch_stats")(views["adversarial"])
    network = twin.strategy_state["discriminator"]
    soft = np.where(np.eye(2)[Y] == 1, 0.8, 0.2)

    def loss():
        told, named = network(natural, training=True, update=False)
        seen, guessed = network(attacked, training=True, update=False)
        told, seen = (ops.convert_to_numpy(z).astype("float64") for z in (told, seen))
        value = np.log1p(np.exp(-told)).mean() + np.log1p(np.exp(seen)).mean()
        for logits in (named, guessed):
            logits = ops.convert_to_numpy(logits).astype("float64")
            log = logits - np.log(np.exp(logits).sum(1, keepdims=True))
            value -= (soft * log).sum(1).mean()
        squares = sum(np.sum(w.astype("float64") ** 2) for w in _learned(twin))
        return value + 0.05 * squares

    for index in (0, -2):  # the stem, and the kernel of the classes
        weight = network.learned[index]
        start = ops.convert_to_numpy(weight)
        step = np.zeros_like(start)
        step.flat[0] = 1e-2
        weight.assign(start + step)
        above = loss()
        weight.assign(start - step)
        slope = (above - loss()) / 2e-2
        weight.assign(start)
        moved = _learned(model)[index].flat[0] - start.flat[0]
        assert -moved == pytest.approx(slope, rel=0.02, abs=2e-4)


def test_the_attack_makes_images_easier_to_tell():
    """In a small ball: a step of a large epsilon may go too far."""
    strategy = mpat.training.ATLDTraining(mpat.Linf(0.03), **SMALL)
    model = toy.model(strategy, classifier=toy.net())
    for _ in range(12):
        model.reset_metrics()
        logs = model.train_on_batch(X, Y, return_dict=True)
        assert logs["divergence_after"] > logs["divergence_before"]
        assert 0 <= logs["discriminator_accuracy"] <= 1


def test_the_start_is_that_of_the_oracle():
    """One step of epsilon, up or down, from x + U(-epsilon, epsilon), box or not."""
    x = X.copy()
    x[:, 1], x[:, 2] = 0.0, 1.0  # half of the starts lie outside the box
    model = _model()
    keys = noise.keys(model.seed_generator, len(x))
    start = x + 0.1 * ops.convert_to_numpy(noise.uniform(keys, x.shape[1:], -1.0, 1.0))
    model.seed_generator.state.assign(_model().seed_generator.state)
    views = model.perturb(ops.convert_to_tensor(x), Y)
    x_adv = ops.convert_to_numpy(views["adversarial"])
    ends = [
        np.clip(np.clip(start + sign * 0.1, x - 0.1, x + 0.1), 0, 1) for sign in (-1, 1)
    ]
    gaps = np.abs(np.stack(ends) - x_adv)
    assert gaps.min(axis=0).max() < 1e-6
    assert all(np.mean(gap < 1e-6) > 0.1 for gap in gaps)


def test_the_balance_survives_float16():
    """Distances of large logits have gradients beyond its range."""
    factors = []
    for policy in ("float32", "mixed_float16"):
        net = keras.Sequential(
            [keras.Input((toy.FEATURES,)), keras.layers.Dense(2, dtype=policy)]
        )
        kernel = 10 * np.random.default_rng(0).normal(size=(toy.FEATURES, 2))
        net.set_weights([kernel, np.zeros(2)])
        strategy = mpat.training.ATLDTraining(BALL, **SMALL)
        model = toy.model(strategy, classifier=net)
        x = ops.convert_to_tensor(X)
        natural = model.logits_fn()(x)
        factor, _ = strategy._balance(model, x[::-1], natural, ops.convert_to_tensor(Y))
        factors.append(float(factor))
    assert factors[0] > 0
    assert factors[1] == pytest.approx(factors[0], rel=0.05)


def test_the_loss_is_that_of_the_example_whose_numbers_are_published():
    strategy = mpat.training.ATLDTraining(BALL, label_smoothing=0.5, **SMALL)

    class Model:
        num_classes = 3

        def supervised_loss(self, y, logits, weight):
            return -ops.mean(
                ops.take_along_axis(ops.log_softmax(logits), y[:, None], 1)
            )

        def head_loss(self, *_):
            return 0.0

    outputs = {
        "adversarial": (ops.convert_to_tensor([[1.0, 0.5, 0.0]]), None),
        "natural_logits": ops.convert_to_tensor([[2.0, 0.0, -1.0]]),
        "balance": 0.105235,
    }
    loss = strategy.loss(Model(), ops.convert_to_tensor([0]), outputs, None)
    assert float(loss) == pytest.approx(1.09473280, rel=1e-5)


def test_the_discriminator_and_its_momentum_are_resumed(tmp_path):
    model = _model()
    model.train_on_batch(X, Y)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for each in (model, again):
        each.train_on_batch(X, Y)
    toy.assert_same(_learned(model), _learned(again))
    pair = [
        m.strategy_state["discriminator_optimizer"].variables for m in (model, again)
    ]
    toy.assert_same(*map(toy.values, pair))


def test_the_game_of_the_paper_learns_and_confuses_the_discriminator():
    model = _model(game="gan", label_smoothing=0.1)
    first = model.train_on_batch(X, Y, return_dict=True)
    for _ in range(40):
        last = model.train_on_batch(X, Y, return_dict=True)
    assert last["ce_loss"] < 0.8 * first["ce_loss"]
    assert -0.1 < last["divergence_after"] < np.log(2)  # a bound: below 0 for a bad one


def test_validation_does_not_show_the_discriminator():
    model = _model()
    logs = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert not set(model.strategy.logged) & set(logs)


def test_two_classes_with_half_of_the_label_given_away_are_refused():
    with pytest.raises(ValueError, match=r"`label_smoothing` must lie in \[0, 0.5\)"):
        _model(label_smoothing=0.5)


def test_batches_of_one_and_predictions_of_a_head_are_refused():
    model = _model()
    for x, y, size in ((X, Y, 1), (X[:1], Y[:1], None)):
        with pytest.raises(ValueError, match="`batch_size` must be at least 2 with"):
            model.fit(x, y, batch_size=size)
    strategy = mpat.training.ATLDTraining(BALL, **SMALL)
    with pytest.raises(ValueError, match="`predict_from` must be 'linear' with ATLD"):
        toy.model(strategy, head=toy.head(), predict_from="head")


def test_half_a_step_where_the_discriminator_is_unsure():
    share = share_of_step(np.array([0.1, 0.3, 0.5, 0.69, 0.7, 0.9], "float32"))
    np.testing.assert_array_equal(share, [1, 1, 0.5, 0.5, 1, 1])


@pytest.fixture(scope="module")
def trained():
    model = _model()
    for _ in range(20):
        model.train_on_batch(X, Y)
    return model


@pytest.mark.parametrize("adaptive", [False, True])
def test_inference_moves_each_input_towards_natural(trained, adaptive, tmp_path):
    wrapper = mpat.models.InferenceManifoldTransformation(trained, adaptive=adaptive)
    x = ops.convert_to_tensor(np.clip(X, 0.2, 0.8))
    moved = ops.convert_to_numpy(wrapper.transformed(x))
    shift = np.abs(moved - ops.convert_to_numpy(x))
    allowed = (0.0, 0.05, 0.1) if adaptive else (0.0, 0.1)
    nearest = np.min([np.abs(shift - a) for a in allowed], axis=0)
    assert nearest.max() < 1e-6 and shift.max() > 0
    network = trained.strategy_state["discriminator"]
    before, _ = network(trained.classifier(x))
    after, _ = network(trained.classifier(moved))
    assert float(ops.mean(after)) > float(ops.mean(before))
    np.testing.assert_allclose(
        wrapper.predict(x, verbose=0), trained.classifier(moved), rtol=1e-5, atol=1e-6
    )
    wrapper.save(tmp_path / "wrapper.keras")
    loaded = keras.models.load_model(tmp_path / "wrapper.keras")
    np.testing.assert_array_equal(loaded.predict(x, verbose=0), wrapper(x))


def test_the_step_of_inference_is_as_long_as_epsilon_in_its_norm():
    """One epsilon and one pair of bounds per feature, text, and the L2 norm."""
    uneven = mpat.Linf(
        [0.1, 0.0, 0.1, 0.2],
        bounds=([0.0] * 4, [1.0, 1.0, 1.0, 0.5]),
        mutable=[True, True, False, True],
    )
    x = np.clip(X, 0.2, 0.5)
    for ball, step_size, longest in (
        (uneven, None, [0.1, 0, 0, 0.2]),
        (BALL, "51/255", [0.2] * 4),
        (mpat.L2(0.1), None, None),
    ):
        strategy = mpat.training.ATLDTraining(ball, **SMALL)
        model = toy.model(strategy, classifier=toy.net())
        wrapper = mpat.models.InferenceManifoldTransformation(
            model, step_size=step_size
        )
        moved = ops.convert_to_numpy(wrapper.transformed(x))
        if longest is None:
            lengths = np.linalg.norm(moved - x, axis=1)
            np.testing.assert_allclose(lengths, 0.1, atol=1e-6)
        else:
            found = np.abs(moved - x).max(axis=0)
            np.testing.assert_allclose(found, longest, atol=1e-6)
            assert np.all(moved <= ball.bounds[1])


def test_an_attack_goes_through_the_transformation(trained):
    wrapper = mpat.models.InferenceManifoldTransformation(trained)
    x_adv = mpat.attacks.PGD(BALL, steps=5)(wrapper, X, Y)
    result = mpat.evaluation.evaluate_robustness(
        wrapper, (X, Y), mpat.attacks.PGD(BALL, steps=5)
    )
    assert np.max(np.abs(ops.convert_to_numpy(x_adv) - X)) > 0.05
    assert result.n == len(X)


def test_examples_made_inside_alone_are_no_evaluation_of_it(trained):
    wrapper = mpat.models.InferenceManifoldTransformation(trained)
    inside = mpat.attacks.Transfer(
        mpat.attacks.PGD(BALL, steps=5), surrogate=trained.classifier
    )
    for attacks in (inside, [inside, inside]):
        with pytest.raises(ValueError, match="goes through the model.*transfer only"):
            mpat.evaluation.evaluate_robustness(wrapper, (X, Y), attacks)
    both = {"through": mpat.attacks.PGD(BALL, steps=5), "inside": inside}
    result = mpat.evaluation.evaluate_robustness(wrapper, (X, Y), both)
    assert [stage.name for stage in result.stages] == ["through", "inside"]
    mpat.evaluation.evaluate_robustness(trained, (X, Y), inside)  # that is not dynamic


def test_its_inference_is_not_static(trained, tmp_path):
    wrapper = mpat.models.InferenceManifoldTransformation(trained)
    found = answer("C04", wrapper, xy=(X, Y), ball=BALL, folder=tmp_path)
    assert (found.status, found.severity) == ("fail", "error")
    assert "InferenceManifoldTransformation optimizes for each" in found.text


@pytest.mark.slow
def test_an_audit_takes_it_and_fails(trained):
    wrapper = mpat.models.InferenceManifoldTransformation(trained)
    attack = mpat.attacks.PGD(BALL, steps=5)
    report = mpat.evaluation.audit(
        wrapper, (X, Y), BALL, attack=attack, examples=8, verbose=False
    )
    assert "C04" in [answer.check.number for answer in report.flags]
    stopped = [a.check.number for a in report.answers if "stopped by" in a.text]
    assert report.verdict == "failed" and not stopped


def test_a_step_of_inference_is_a_length(trained):
    for wrong in (-0.1, 0):
        with pytest.raises(ValueError, match=f"`step_size` must be .*{wrong}"):
            mpat.models.InferenceManifoldTransformation(trained, step_size=wrong)


def test_a_model_without_a_discriminator_is_refused():
    plain = toy.model(mpat.training.PGDTraining(BALL, steps=1))
    for model in (plain, toy.net()):
        with pytest.raises(ValueError, match="must be an AdversarialModel with"):
            mpat.models.InferenceManifoldTransformation(model)
