"""evaluate_robustness: verdicts per example, invariances, resuming, refusals."""

from dataclasses import dataclass

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat import attacks, evaluation
from tests import toy

BALL = mpat.Linf(0.2)
MARGINS = np.array([0.05, 0.15, 0.25, 0.35, -0.05, 0.1, 0.3])


def threshold():
    """Class 1 where the first feature is above 0.5: a margin is a distance."""
    classifier = keras.Sequential([keras.Input((2,)), layers.Dense(2)])
    classifier.set_weights([np.array([[-9.0, 9.0], [0, 0]]), np.array([4.5, -4.5])])
    return classifier


def points(margins=MARGINS):
    """Examples of class 1 at these distances from the border; negative: wrong."""
    x = np.stack([0.5 + margins, np.full_like(margins, 0.3)], axis=1)
    return x.astype("float32"), np.ones(len(margins), "int32")


def evaluate(attack=None, data=None, model=None, **kwargs):
    kwargs = {"batch_size": 4, "verbose": False, **kwargs}
    return evaluation.evaluate_robustness(
        model or threshold(), data or points(), attack or attacks.FGSM(BALL), **kwargs
    )


def test_verdicts_of_a_model_solved_by_hand():
    result = evaluate()
    np.testing.assert_array_equal(result.clean, MARGINS > 0)
    np.testing.assert_array_equal(result.robust, MARGINS > 0.2)
    assert result.n == 7
    assert result.clean_accuracy == pytest.approx(6 / 7)
    assert result.robust_accuracy == pytest.approx(3 / 7)
    assert result.clean.dtype == result.robust.dtype == bool
    assert result.interval == evaluation.wilson_interval(3, 7)
    assert result.zero_gradients == 0.0


@keras.saving.register_keras_serializable("keras_mpat_tests")
@dataclass(frozen=True, eq=False)
class Helpful(attacks.Attack):
    """Moves every example to class 1, which is the true one."""

    threat_model: mpat.ThreatModel

    def search(self, logits_fn, x, targets, keys):
        return self.threat_model.box(x + self.threat_model.radius)


def test_wrong_before_the_attack_is_not_robust():
    """An attack that undoes an error does not make the example robust."""
    result = evaluate(Helpful(BALL))
    assert not np.all(result.clean)
    np.testing.assert_array_equal(result.robust, result.clean)
    np.testing.assert_array_equal(result.stages[0].correct, result.clean)


def test_the_worst_case_is_the_and_of_the_stages():
    small, large = attacks.FGSM(mpat.Linf(0.12)), attacks.FGSM(mpat.Linf(0.28))
    result = evaluate({"small": small, "large": large})
    by_name = {stage.name: stage for stage in result.stages}
    assert list(by_name) == ["small", "large"]
    np.testing.assert_array_equal(by_name["small"].correct, MARGINS > 0.12)
    np.testing.assert_array_equal(by_name["large"].correct, MARGINS > 0.28)
    both = by_name["small"].correct & by_name["large"].correct
    np.testing.assert_array_equal(result.robust, both)
    assert by_name["small"].accuracy == pytest.approx(4 / 7)
    assert "epsilon=0.28" in by_name["large"].attack


def test_attacks_in_a_list_are_numbered():
    pair = [attacks.FGSM(BALL), attacks.BIM(BALL, steps=1), attacks.FGSM(BALL)]
    names = [stage.name for stage in evaluate(pair).stages]
    assert names == ["FGSM 1", "BIM", "FGSM 3"]


@pytest.mark.parametrize("limit", [1, 4, 5, 7, 100])
def test_limit(limit):
    whole, first = evaluate(), evaluate(limit=limit)
    n = min(limit, 7)
    assert first.n == n
    np.testing.assert_array_equal(first.clean, whole.clean[:n])
    np.testing.assert_array_equal(first.robust, whole.robust[:n])


def noisy():
    """An attack whose verdicts hang on its noise, on margins near epsilon."""
    return attacks.RandomNoise(BALL), points(np.linspace(0.0, 0.2, 50))


def test_verdicts_do_not_depend_on_the_batch_size():
    attack, data = noisy()
    results = [evaluate(attack, data, batch_size=size) for size in (1, 7, 50, 64)]
    assert 0.1 < results[0].robust_accuracy < 0.9
    for other in results[1:]:
        np.testing.assert_array_equal(other.robust, results[0].robust)


def test_verdicts_follow_the_seed():
    attack, data = noisy()
    first, again = evaluate(attack, data, seed=3), evaluate(attack, data, seed=3)
    assert first == again
    other = evaluate(attack, data, seed=4)
    assert not np.array_equal(first.robust, other.robust)


def test_streams_equal_arrays():
    tf = pytest.importorskip("tensorflow")
    attack, (x, y) = noisy()
    arrays = evaluate(attack, (x, y))
    for size, labels in ((3, y), (20, y[:, None]), (50, np.eye(2)[y])):
        stream = tf.data.Dataset.from_tensor_slices((x, labels)).batch(size)
        assert evaluate(attack, stream) == arrays


def test_zero_gradients_are_counted():
    flat = threshold()
    flat.set_weights([np.zeros((2, 2)), np.array([0.0, 2.0])])
    assert evaluate(model=flat).zero_gradients == 1.0


@keras.saving.register_keras_serializable("keras_mpat_tests")
@dataclass(frozen=True, eq=False)
class Numbered(attacks.FGSM):
    """Run r goes r thirds of the way."""

    def runs(self, num_classes):
        return 4

    def run(self, logits_fn, x, targets, keys, number):
        x_adv = self.search(logits_fn, x, targets, keys)
        return x + (x_adv - x) * (ops.cast(number, "float32") / 3.0)


def test_every_run_is_made():
    result = evaluate(Numbered(BALL))
    np.testing.assert_array_equal(result.robust, MARGINS > 0.2)


def test_a_tie_is_no_success():
    flat = threshold()
    flat.set_weights([np.zeros((2, 2)), np.zeros(2)])
    y = (MARGINS > 0.2).astype("int32")  # argmax says 0 of all
    result = evaluate(model=flat, data=(points()[0], y))
    np.testing.assert_array_equal(result.robust, y == 0)


class _Stop(Exception):
    pass


def interrupt_after(monkeypatch, batches):
    """The next evaluation dies after so many batches; each is written at once."""
    from keras_mpat.evaluation import driver, state

    real, done = driver.Driver._attack, []

    def attack(self, *arguments):
        if len(done) == batches:
            raise _Stop
        done.append(1)
        return real(self, *arguments)

    monkeypatch.setattr(driver.Driver, "_attack", attack)
    monkeypatch.setattr(state, "_EVERY", -1.0)
    return done


def in_parts():
    """Restarts, and attacks that follow one another: 400 examples of a near border."""
    ball, (x, y) = mpat.Linf(0.1), points(np.linspace(0.0, 0.12, 400))
    noise = attacks.RandomNoise(ball, restarts=2)
    chain = attacks.WorstCase([noise, attacks.RandomNoise(ball), attacks.FGSM(ball)])
    return {"noise": noise, "chain": chain}, (x, y)


@pytest.mark.parametrize("interrupted", [1, 30, 60])
def test_an_interrupted_evaluation_continues(tmp_path, monkeypatch, interrupted):
    """20 per batch, 320 in a chunk: 2 chunks, 5 runs in 4 parts."""
    attack, data = in_parts()
    options = dict(batch_size=20, state_dir=tmp_path / "state")
    with monkeypatch.context() as patch:
        done = interrupt_after(patch, 999)
        expected, count = evaluate(attack, data, batch_size=20), len(done)
    assert 70 < count <= 100
    with monkeypatch.context() as patch:
        interrupt_after(patch, interrupted)
        if interrupted < count:
            with pytest.raises(_Stop):
                evaluate(attack, data, **options)
        else:
            evaluate(attack, data, **options)
    with monkeypatch.context() as patch:
        done = interrupt_after(patch, 999)
        assert evaluate(attack, data, **options) == expected
    assert len(done) == max(count - interrupted, 0)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 0)  # finished: nothing is computed
        assert evaluate(attack, data, **options) == expected


def test_what_one_part_fools_is_not_attacked_by_the_next():
    ball, (x, y) = mpat.Linf(0.2), points()

    @dataclass(frozen=True, eq=False)
    class Counting(attacks.FGSM):
        """Writes down whom it attacks, before the batch is filled up."""

        def search(self, logits_fn, x, targets, keys):
            seen.extend(round(float(v), 2) for v in np.unique(np.asarray(x)[:, 0]))
            return super().search(logits_fn, x, targets, keys)

    import tensorflow as tf

    seen = []
    small = Counting(mpat.Linf(0.12))
    tf.config.run_functions_eagerly(True)
    try:
        result = evaluate(attacks.WorstCase([small, Counting(ball)]), (x, y))
    finally:
        tf.config.run_functions_eagerly(False)
    assert seen == [0.55, 0.65, 0.75, 0.85, 0.6, 0.8, 0.65, 0.75, 0.8, 0.85]
    (stage,) = result.stages
    assert [part.name for part in stage.parts] == ["Counting 1", "Counting 2"]
    np.testing.assert_array_equal(stage.parts[0].correct, MARGINS > 0.12)
    np.testing.assert_array_equal(stage.parts[1].correct, MARGINS > 0.2)
    np.testing.assert_array_equal(stage.correct, MARGINS > 0.2)


def test_kept_examples_prove_every_success(tmp_path):
    attack, (x, y) = in_parts()
    result = evaluate(attack, (x, y), batch_size=20, state_dir=tmp_path)
    kept = [np.load(path) for path in sorted(tmp_path.glob("chunk-*.npz"))]
    adversarial = np.concatenate([chunk["adversarial"] for chunk in kept])
    broken_by = np.concatenate([chunk["broken by"] for chunk in kept])
    np.testing.assert_array_equal(broken_by >= 0, result.clean & ~result.robust)
    assert {-1, 0, 3} <= set(broken_by.tolist())
    wrong = threshold().predict(adversarial, verbose=0).argmax(axis=-1) != y
    np.testing.assert_array_equal(wrong, ~result.robust)
    assert np.abs(adversarial - x).max() <= 0.1 + 1e-6


@keras.saving.register_keras_serializable("keras_mpat_tests")
@dataclass(frozen=True, eq=False)
class Leaving(attacks.Attack):
    """Moves farther than it may, or to nowhere."""

    threat_model: mpat.ThreatModel
    by: float = 0.3

    def search(self, logits_fn, x, targets, keys):
        return x - self.by


@pytest.mark.parametrize("by", [0.21, np.nan])
def test_an_attack_that_leaves_the_ball_is_refused(by):
    with pytest.raises(ValueError, match=r"finite examples in the ball.*project"):
        evaluate(Leaving(BALL, by=by))


def test_a_state_of_another_evaluation_is_refused(tmp_path):
    attack, (x, y) = noisy()
    options = dict(attack=attack, data=(x, y), state_dir=tmp_path / "state")
    first = evaluate(**options)
    moved = x.copy()
    moved[7] += 0.01
    flipped = y.copy()
    flipped[7] = 0
    shifted = threshold()
    shifted.set_weights([2 * w for w in shifted.get_weights()])
    for change in (
        {"attack": attacks.RandomNoise(BALL, restarts=2)},
        {"attack": attacks.RandomNoise(mpat.Linf(0.19))},
        {"seed": 1},
        {"limit": 10},
        {"batch_size": 5},
        {"model": shifted},
        {"data": (moved, y)},
        {"data": (x, flipped)},
    ):
        with pytest.raises(ValueError, match="`state_dir` holds an"):
            evaluate(**{**options, **change})
    assert evaluate(**options) == first


def test_attacks_that_differ_in_one_radius_of_many_are_told_apart(tmp_path):
    wide = keras.Sequential([keras.Input((2000,)), layers.Dense(2)])
    x, y = np.full((2, 2000), 0.5, "float32"), np.zeros(2, "int32")
    radii = np.full(2000, 0.1)
    other = radii.copy()
    other[1000] = 0.2
    options = dict(data=(x, y), model=wide, state_dir=tmp_path / "state")
    evaluate(attacks.FGSM(mpat.Linf(radii)), **options)
    with pytest.raises(ValueError, match=r"differs in \['attacks'\]"):
        evaluate(attacks.FGSM(mpat.Linf(other)), **options)


def test_the_same_attacks_in_another_order_are_another_evaluation(tmp_path):
    named = {"a": attacks.FGSM(BALL), "b": attacks.FGSM(mpat.Linf(0.01))}
    first = evaluate(named, state_dir=tmp_path)
    swapped = {"b": named["b"], "a": named["a"]}
    with pytest.raises(ValueError, match=r"differs in \['attacks'\]"):
        evaluate(swapped, state_dir=tmp_path)
    assert evaluate(named, state_dir=tmp_path) == first
    found = [stage.accuracy for stage in evaluate(swapped).stages]
    assert found == [stage.accuracy for stage in first.stages][::-1]
    assert found[0] > found[1]


def test_paths_and_adversarial_models(tmp_path):
    classifier = toy.net()
    x, y = toy.data(12)
    model = toy.model(mpat.training.StandardTraining(), classifier=classifier)
    model.train_on_batch(x, y)
    model.save(tmp_path / "model.keras")
    model.classifier.save(tmp_path / "classifier.keras")
    expected = evaluate(data=(x, y), model=classifier)
    for given in (
        model,
        tmp_path / "classifier.keras",
        str(tmp_path / "model.keras"),
    ):
        assert evaluate(data=(x, y), model=given) == expected


def softmax():
    classifier = keras.Sequential([*threshold().layers, layers.Softmax()])
    classifier.build((None, 2))
    return classifier


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(model=softmax()), r"ends in softmax.*models\.as_logits\(model\)"),
        (dict(model="nowhere"), "nowhere"),
        (dict(model=3), "`model_or_path` must be a Keras classifier"),
        (dict(attack="pgd"), "`attacks` must be"),
        (dict(attack=[attacks.FGSM]), "`attacks` must be"),
        (dict(attack=[[]]), "`attacks` must"),
        (dict(limit=0), "`limit` must be an integer >= 1"),
        (dict(batch_size=0), "`batch_size` must be an integer >= 1"),
        (dict(seed=-1), "`seed` must be an integer >= 0"),
        (dict(data=(points()[0] * 255, points()[1])), "bounds"),
        (dict(data=(np.full((2, 2), np.nan), np.zeros(2))), "`x` must be finite"),
        (dict(data=(points()[0], points()[1] + 1)), "`y` must hold the classes"),
        (dict(data=(points()[0], points()[1][:3])), "as many labels as inputs"),
        (dict(data=(points()[0][:0], points()[1][:0])), "at least one"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        evaluate(**arguments)


def test_no_model_variable_changes():
    classifier = toy.net()
    before = toy.values(classifier.variables)
    evaluate(data=toy.data(12), model=classifier)
    toy.assert_same(toy.values(classifier.variables), before)


@keras.saving.register_keras_serializable("test_robustness")
@dataclass(frozen=True, eq=False)
class ShortThenNear(attacks.Attack):
    """Half a radius for all, then a whole one for those nearly fooled."""

    threat_model: mpat.Linf
    within: float = 0.5

    def stages(self, num_classes):
        options = {"steps": 1, "random_start": False, "step_size": 0.1}
        return {
            "short": attacks.PGD(self.threat_model, **options),
            "near": attacks.NearMiss(
                attacks.FGSM(self.threat_model), within=self.within
            ),
        }

    def search(self, logits_fn, x, targets, keys):
        return x


@pytest.mark.parametrize(("within", "lost"), [(0.5, True), (0.3, False)])
def test_near_misses_are_those_with_little_of_their_margin_left(within, lost, tmp_path):
    # After half a radius a third of the margin of 0.15 is left, more of larger ones.
    attack = ShortThenNear(BALL, within)
    result = evaluate(attack, state_dir=tmp_path)
    first, second = result.stages[0].parts
    np.testing.assert_array_equal(first.correct, MARGINS > 0.11)
    expected = (MARGINS > 0.11) & ~((MARGINS == 0.15) & lost)
    np.testing.assert_array_equal(second.correct, expected)
    again = evaluate(attack, batch_size=3)  # alone or in company
    np.testing.assert_array_equal(again.robust, result.robust)
    itself = evaluate(attacks.Transfer(attack, surrogate=threshold()))
    np.testing.assert_array_equal(itself.robust, result.robust)


def test_near_miss_alone_is_its_attack():
    near = attacks.NearMiss(attacks.FGSM(BALL), within=0.1)
    np.testing.assert_array_equal(evaluate(near).robust, evaluate().robust)


@pytest.mark.parametrize("left", [0, 20, -40])
def test_a_torn_file_is_computed_again(tmp_path, left):
    expected = evaluate(state_dir=tmp_path)
    (path,) = tmp_path.glob("chunk-*.npz")
    path.write_bytes(path.read_bytes()[:left])
    assert evaluate(state_dir=tmp_path) == expected
