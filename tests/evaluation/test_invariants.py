"""What must hold of our attacks and of the driver whatever the net: INV-1 ... INV-14.

Those that are not in this file, and the tests of single attacks that say more:

    1  verdicts do not depend on the company: here, contracts/test_attacks.py::
       test_result_does_not_depend_on_the_company, test_robustness.py::
       test_verdicts_do_not_depend_on_the_batch_size
    2  a larger ball fools all that a smaller one does: here
    3  who is fooled stays fooled: here, attacks/test_auto_attack.py::
       test_linear_models_are_solved_exactly
    4  what is kept is finite, in the ball, in the box and fools: here,
       contracts/test_attacks.py::test_result_is_in_the_ball_and_the_box,
       test_robustness.py::test_an_attack_that_leaves_the_ball_is_refused
    5  a factor of the logits changes no verdict: here, attacks/test_apgd_linear.py::
       test_scale_and_shift..., and of that name in test_fab.py and test_square.py
    6  nor does a constant: as 5
    7  nor do other names of the classes: here, test_objectives.py::
       test_permuted_classes_have_the_same_value
    8  a net that sees no left and right is as accurate on mirrored images: here
    9  the best value never falls, steps are halvings: attacks/test_apgd.py::
       test_best_value_never_falls_and_sizes_are_halvings, test_square.py::
       test_margin_never_rises_and_nothing_moves_once_fooled
    10 certified <= all attacks <= PGD <= FGSM <= clean: here, test_certify.py
    11 an evaluation that goes on equals one without a break: here,
       test_robustness.py::test_an_interrupted_evaluation_continues
    12 with two classes cross-entropy and margin are one objective: here, and for PGD
       attacks/test_two_classes.py
    13 what is wrong anyway is not attacked: here, test_robustness.py::
       test_wrong_before_the_attack_is_not_robust
    14 `compat` follows the published rules for 100 steps: attacks/test_apgd.py::
       test_path_of_a_hundred_steps_equals_the_oracle

Closed forms are in test_relu_nets.py, test_brute_force.py, attacks/test_*_linear.py,
attacks/test_apgd_bowl.py and attacks/test_fab.py.
"""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat import attacks, backend, evaluation, noise
from keras_mpat.attacks.attack import Goal
from keras_mpat.objectives import DLR, CrossEntropy, Margin

COUNT, SHAPE, CLASSES = 60, (5, 5, 1), 5
RNG = np.random.default_rng(4)
FIRST = RNG.normal(size=(25, 20)).astype("float32") / 2
BIAS = (RNG.normal(size=20) - FIRST.sum(axis=0) / 2).astype("float32")
SECOND = RNG.normal(size=(20, CLASSES)).astype("float32") / 2
X = RNG.uniform(size=(COUNT, *SHAPE)).astype("float32")
X[:8], X[8:12] = np.round(X[:8]), X[8:12] / 50  # corners and edges of the box
KEYS = noise.of_indices(0, np.arange(COUNT))  # those that the driver makes
BALL = mpat.Linf(0.06)
NAMES = ("APGD-CE", "APGD-T", "APGD-margin", "FAB-T", "Square")
NORMS = pytest.mark.parametrize(
    "norm", [mpat.Linf, pytest.param(mpat.L2, marks=pytest.mark.slow)]
)


def numpy_logits(x):
    """In float64, (N, CLASSES)."""
    hidden = np.maximum(x.reshape(len(x), 25).astype("float64") @ FIRST + BIAS, 0)
    return hidden @ SECOND


Y = numpy_logits(X).argmax(-1).astype("int32")
WRONG = np.isin(np.arange(COUNT), range(20, 24))
Y[WRONG] = (Y[WRONG] + 1) % CLASSES  # without an attack


def logits_fn(x):
    hidden = ops.relu(ops.matmul(ops.reshape(x, (-1, 25)), FIRST) + BIAS)
    return ops.matmul(hidden, SECOND)


def classifier():
    """The same net as a Keras model."""
    parts = [keras.Input(SHAPE), layers.Flatten()]
    dense = layers.Dense(20, activation="relu"), layers.Dense(CLASSES, use_bias=False)
    model = keras.Sequential([*parts, *dense])
    model.set_weights([FIRST, BIAS, SECOND])
    return model


def suite(ball=BALL):
    """The attacks of AutoAttack, shorter."""
    toward = {"target_classes": 2, "steps": 12}
    return {
        "APGD-CE": attacks.APGD(ball, steps=20),
        "APGD-T": attacks.APGD(ball, objective=DLR(), **toward),
        "APGD-margin": attacks.APGD(ball, objective=Margin(kappa=None), steps=20),
        "FAB-T": attacks.FAB(ball, steps=6, target_classes=2),
        "Square": attacks.Square(ball, queries=60, rescale_schedule=True),
    }


@pytest.fixture
def eager(monkeypatch):
    """Short attacks on small nets take less time than the making of their graphs."""
    monkeypatch.setattr(backend, "function", lambda function: function)


def evaluate(attack, **options):
    options = {"batch_size": COUNT, "verbose": False, **options}
    return evaluation.evaluate_robustness(classifier(), (X, Y), attack, **options)


def fooled(attack, changed=logits_fn, x=X, y=Y, keys=KEYS):
    """Which examples an attack fools, bool (B,)."""
    x, y = ops.convert_to_tensor(x), ops.convert_to_tensor(y)
    x_adv = attack(changed, x, y, keys)
    return ops.convert_to_numpy(CrossEntropy().fooled(y, changed(x_adv)))


@pytest.fixture(scope="module")
def plain():
    """What each attack of the suite fools."""
    found = {name: fooled(attack) for name, attack in suite().items()}
    for name, flags in found.items():
        assert 0.2 < flags.mean() < 0.8, name
    return found


# 1: the company


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("batch_size", [25, pytest.param(64, marks=pytest.mark.slow)])
def test_inv_01_verdicts_do_not_depend_on_the_batches(batch_size, plain):
    result = evaluate(suite(), batch_size=batch_size)
    for number, stage in enumerate(result.stages):
        np.testing.assert_array_equal(~stage.correct, plain[NAMES[number]] | WRONG)


@pytest.mark.parametrize("name", NAMES)
def test_inv_01_verdicts_do_not_depend_on_the_order(name, plain):
    order = np.random.default_rng(0).permutation(COUNT)
    keys = ops.take(KEYS, order, axis=0)
    flags = fooled(suite()[name], x=X[order], y=Y[order], keys=keys)
    np.testing.assert_array_equal(flags, plain[name][order])


# 2: the radius


@NORMS
def test_inv_02_a_larger_ball_fools_all_that_a_smaller_one_does(norm):
    radii = np.linspace(0.01, 0.1, 3) * (1 if norm is mpat.Linf else 4)
    by_radius = [
        {name: fooled(attack) for name, attack in suite(norm(float(r))).items()}
        for r in radii
    ]
    for name in NAMES:
        flags = np.array([found[name] for found in by_radius])
        lost = np.sum(flags[:-1] & ~flags[1:])
        assert lost <= (name != "FAB-T"), name  # of 120; FAB looks for the closest
    union = np.array([np.any(list(f.values()), axis=0) for f in by_radius])
    assert not np.any(union[:-1] & ~union[1:])
    assert union[0].mean() < 0.35 and union[-1].mean() > 0.65


# 3, 4, 13: what the driver keeps


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """An evaluation of the suite as one sequence, Square first, with its examples."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backend, "function", lambda function: function)
        sequence = attacks.WorstCase(list(suite().values())[::-1])
        return evaluate(sequence, state_dir=tmp_path_factory.mktemp("state"))


def test_inv_03_who_is_fooled_stays_fooled(kept):
    left = [kept.clean, *(part.correct for part in kept.stages[0].parts)]
    for before, after in zip(left, left[1:], strict=False):
        assert not np.any(after & ~before)
    np.testing.assert_array_equal(kept.robust, left[-1])
    # Each is entered where it fell.
    for number, (before, after) in enumerate(zip(left, left[1:], strict=False)):
        fell = kept.evidence.broken_by == number
        np.testing.assert_array_equal(fell, before & ~after)
    assert len(set(kept.evidence.broken_by.tolist())) >= 3


def test_inv_04_what_is_kept_is_finite_inside_and_fools(kept):
    proof = kept.evidence
    x_adv, x, y = proof.adversarial, X[proof.index], Y[proof.index]
    assert len(x_adv) == np.sum(kept.clean & ~kept.robust) > 10
    assert np.all(np.isfinite(x_adv)) and x_adv.min() >= 0 and x_adv.max() <= 1
    assert np.abs(x_adv.astype("float64") - x).max() <= 0.06 * (1 + 1e-6)
    logits, rows = numpy_logits(x_adv), np.arange(len(y))
    own = logits[rows, y]
    logits[rows, y] = -np.inf
    leads = logits.max(axis=1) - own
    # FAB goes no further than float32 sees: 1e-7 of the logits before the boundary.
    assert leads.min() > -1e-5 and np.mean(leads > 0) > 0.9
    again = classifier().predict(x_adv, verbose=0)
    assert np.all(again.argmax(-1) != y)


def test_inv_13_what_is_wrong_anyway_is_counted_and_not_attacked(kept):
    np.testing.assert_array_equal(kept.clean, ~WRONG)
    assert not np.any(kept.robust & WRONG)
    assert np.all(kept.evidence.broken_by[WRONG] == -1)
    said = numpy_logits(X).argmax(-1)[WRONG]
    np.testing.assert_array_equal(kept.evidence.predicted[WRONG], said)


# 5, 6, 7: other logits of the same meaning


SCALED = [name for name in NAMES if name != "APGD-CE"]


@pytest.mark.parametrize("factor", [1e-3, 1e3])
@pytest.mark.parametrize("name", SCALED)
def test_inv_05_a_factor_of_the_logits_changes_no_verdict(name, factor, plain):
    flags = fooled(suite()[name], lambda x: logits_fn(x) * factor)
    np.testing.assert_array_equal(flags, plain[name])


@pytest.mark.parametrize("name", NAMES)
def test_inv_06_a_constant_changes_no_verdict(name, plain):
    flags = fooled(suite()[name], lambda x: logits_fn(x) + 4.0)
    np.testing.assert_array_equal(flags, plain[name])


@pytest.mark.parametrize("name", NAMES)
def test_inv_07_other_names_of_the_classes_change_no_verdict(name, plain):
    order = np.array([3, 0, 4, 2, 1])
    names = np.argsort(order).astype("int32")
    flags = fooled(
        suite()[name], lambda x: ops.take(logits_fn(x), order, axis=-1), y=names[Y]
    )
    np.testing.assert_array_equal(flags, plain[name])


# 8: mirrored images


def symmetric(x):
    """A net that does not know left from right."""
    return (logits_fn(x) + logits_fn(ops.flip(x, axis=2))) / 2


def _mirrored_setting():
    y = ops.convert_to_numpy(symmetric(ops.convert_to_tensor(X))).argmax(-1)
    return y.astype("int32"), np.flip(X, axis=2).copy()


@pytest.mark.parametrize("name", ["APGD-CE", "APGD-margin"])
def test_inv_08_from_mirrored_starts_the_verdicts_are_the_same(name):
    y, mirrored = _mirrored_setting()
    attack, flags = suite(mpat.Linf(0.07))[name], []
    start = attack.threat_model.surface(ops.convert_to_tensor(X), KEYS)
    for x, first in ((X, start), (mirrored, ops.flip(start, axis=2))):
        goal = Goal(symmetric, x, y, KEYS, attack.objective)
        x_adv = attack.ascend(goal, ops.convert_to_tensor(x), first)
        flags.append(ops.convert_to_numpy(goal.fooled(symmetric(x_adv))))
    np.testing.assert_array_equal(*flags)
    assert 0.2 < flags[0].mean() < 0.8


def test_inv_08_accuracy_on_mirrored_images_is_the_same():
    y, mirrored = _mirrored_setting()
    for name in ("APGD-T", "FAB-T", "Square"):
        attack = suite(mpat.Linf(0.07))[name]
        flags, other = (fooled(attack, symmetric, x, y) for x in (X, mirrored))
        assert 0.2 < flags.mean() < 0.8
        # FAB draws no noise; of the others an example at the edge may differ.
        allowed = {"FAB-T": 0, "Square": 5}.get(name, 2)
        assert abs(flags.sum() - other.sum()) <= allowed, name


# 10: the order of strength


@pytest.mark.usefixtures("eager")
def test_inv_10_certified_below_attacked_below_pgd_below_fgsm_below_clean(kept):
    ball = BALL
    pair = {"FGSM": attacks.FGSM(ball), "PGD": attacks.PGD(ball, steps=20)}
    result = evaluate(pair)
    fgsm, pgd = (stage.correct for stage in result.stages)
    together = kept.robust
    for method in ("ibp", "crown"):
        proven = evaluation.certified(classifier(), (X, Y), ball, method=method)
        assert not np.any(proven & ~together)
    assert 0 < proven.sum()
    assert proven.mean() < together.mean() <= pgd.mean() <= fgsm.mean()
    assert fgsm.mean() < result.clean.mean()
    assert not np.any(~fgsm & together)  # nothing is fooled by FGSM alone
    assert not np.any(~pgd & together)


# 11: breaks


class _Stop(Exception):
    pass


def _sequence():
    """Restarts, targets, near misses: all that a position has to remember."""
    parts = suite()
    return attacks.WorstCase(
        [
            attacks.APGD(BALL, steps=5, restarts=2),
            parts["FAB-T"],
            attacks.NearMiss(parts["APGD-T"], within=0.5),
            attacks.NearMiss(parts["Square"], within=0.5),
        ]
    )


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("batches", [pytest.param(3, marks=pytest.mark.slow), 6])
def test_inv_11_an_evaluation_that_goes_on_equals_one_without_a_break(
    batches, monkeypatch, tmp_path
):
    from keras_mpat.evaluation import driver, state

    expected = evaluate(_sequence(), batch_size=40)
    real, done = driver.Driver._attack, []

    def attack(self, *arguments):
        if len(done) == batches:
            raise _Stop
        done.append(1)
        return real(self, *arguments)

    options = {"batch_size": 40, "state_dir": tmp_path / "state"}
    with monkeypatch.context() as patch:
        patch.setattr(driver.Driver, "_attack", attack)
        patch.setattr(state, "_EVERY", -1.0)
        with pytest.raises(_Stop):
            evaluate(_sequence(), **options)
    again = evaluate(_sequence(), **options)
    assert again == expected
    np.testing.assert_array_equal(again.evidence.broken_by, expected.evidence.broken_by)
    np.testing.assert_array_equal(again.evidence.margins, expected.evidence.margins)


# 12: two classes


@NORMS
def test_inv_12_of_two_classes_cross_entropy_and_margin_are_one_attack(norm):
    ball = norm(0.06) if norm is mpat.Linf else norm(0.25)
    gap = SECOND[:, :2]

    def two(x, factor=1.0):
        hidden = ops.relu(ops.matmul(ops.reshape(x, (-1, 25)), FIRST) + BIAS)
        return ops.matmul(hidden, gap) * factor

    x = ops.convert_to_tensor(X)
    y = ops.convert_to_numpy(ops.argmax(two(x), axis=-1))
    start = ball.surface(x, KEYS)

    def flags(objective, factor):
        def scaled(x):
            return two(x, factor)

        goal = Goal(scaled, x, y, KEYS, objective)
        x_adv = attacks.APGD(ball, steps=20, objective=objective).ascend(goal, x, start)
        return ops.convert_to_numpy(goal.fooled(scaled(x_adv)))

    margin, entropy = Margin(kappa=None), CrossEntropy()
    np.testing.assert_array_equal(flags(margin, 1.0), flags(entropy, 1.0))
    assert 0.2 < flags(margin, 1.0).mean() < 0.8
    # Saturated, the cross-entropy has no gradient left, which the margin keeps.
    np.testing.assert_array_equal(flags(margin, 1e3), flags(margin, 1.0))
    assert flags(entropy, 1e3).sum() < flags(margin, 1e3).sum()
