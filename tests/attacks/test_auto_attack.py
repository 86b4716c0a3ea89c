"""AutoAttack: its stages by number of classes, and linear models solved exactly."""

import keras
import numpy as np
import pytest
from keras import layers

import keras_mpat as mpat
from keras_mpat import attacks, evaluation
from keras_mpat.objectives import DLR, CrossEntropy, Margin

BALL = mpat.Linf(0.1)


def runs(num_classes, version="standard"):
    """Names of the stages, and how many runs each has."""
    stages = attacks.AutoAttack(BALL, version=version).stages(num_classes)
    return {name: attack.runs(num_classes) for name, attack in stages.items()}


def test_stages_follow_the_number_of_classes():
    targeted = {"APGD-CE": 1, "APGD-T": 9, "FAB-T": 9, "Square": 1}
    again = {"near: APGD-T": 18, "near: Square": 1}
    assert runs(10) == runs(100) == targeted | again
    assert runs(4) == targeted | {"APGD-T": 3, "FAB-T": 3} | again | {"near: APGD-T": 6}
    assert runs(3) == {
        "APGD-CE": 1,
        "APGD-DLR": 1,
        "APGD-T": 6,
        "FAB-T": 6,
        "Square": 1,
    }
    assert runs(2) == {"APGD-CE": 1, "APGD-margin": 9, "FAB": 5, "Square": 2}


def test_other_versions():
    assert list(runs(10, "plus")) == [
        *("APGD-CE", "APGD-DLR", "FAB", "Square", "APGD-T", "FAB-T"),
        *("near: APGD-T", "near: Square"),
    ]
    assert runs(10, "plus")["APGD-CE"] == runs(10, "plus")["FAB"] == 5
    assert "APGD-DLR" not in runs(2, "plus")
    stages = attacks.AutoAttack(BALL, version="rand").stages(2)
    assert [attack.objective for attack in stages.values()] == [
        CrossEntropy(),
        Margin(kappa=None),
    ]
    assert {attack.eot_iterations for attack in stages.values()} == {20}


def test_quick_spends_its_time_on_near_misses():
    stages = attacks.AutoAttack(BALL, version="quick").stages(10)
    assert [attack.near for attack in stages.values()] == [1.0, 1.0, 0.2, 0.2]
    assert runs(10, "quick") == {
        "APGD-CE": 1,
        "APGD-T": 3,
        "near: APGD-T": 9,
        "near: Square": 1,
    }
    assert runs(2, "quick")["near: APGD-T"] == 4


@pytest.mark.parametrize(
    "num_classes, more",
    [
        (2, [9, 6, 3, 5]),
        (3, [8, 6, 4, 5]),
        (10, [9, 6, 3, 5]),
        (100, [20, 6, 5, 5]),
    ],
)
def test_strict_is_standard_and_more(num_classes, more):
    standard, strict = runs(num_classes), runs(num_classes, "strict")
    assert list(strict)[: len(standard)] == list(standard)
    assert {name: strict[name] for name in standard} == standard
    names = ["MultiTargeted", "MarginDecomposition", "ConstraintRelaxation", "FMN"]
    assert list(strict)[len(standard) :] == names
    assert [strict[name] for name in names] == more


def test_settings_are_the_published_ones():
    stages = attacks.AutoAttack(BALL).stages(10)
    assert stages["APGD-CE"] == attacks.APGD(BALL, steps=100, restarts=1)
    assert stages["APGD-T"].objective == DLR()
    assert stages["FAB-T"].steps == 100 and stages["Square"].queries == 5000


@pytest.mark.parametrize(
    "num_classes, version, title",
    [
        (10, "standard", "AutoAttack"),
        (4, "plus", "AutoAttack plus"),
        (3, "standard", "AutoAttack-K"),
        (2, "rand", "AutoAttack-K rand"),
        (10, "strict", "AutoAttack strict"),
    ],
)
def test_two_and_three_classes_are_named_otherwise(num_classes, version, title):
    attack = attacks.AutoAttack(BALL, version=version)
    assert attack.title(num_classes) == title


def linear(num_classes, features=12, count=40):
    """(model, x, y, vulnerable): which examples a ball of 0.1 can fool, exactly."""
    rng = np.random.default_rng(num_classes)
    weights = rng.normal(size=(features, num_classes)).astype("float32")
    bias = -0.5 * weights.sum(axis=0)
    x = rng.uniform(size=(count, features)).astype("float32")
    y = (x @ weights + bias).argmax(axis=-1)
    model = keras.Sequential([keras.Input((features,)), layers.Dense(num_classes)])
    model.set_weights([weights, bias])
    worst = []
    for point, label in zip(x.astype("float64"), y, strict=True):
        slopes = weights[:, [label]] - np.delete(weights, label, axis=1)
        room = np.where(slopes > 0, point[:, None], 1 - point[:, None])
        lost = np.sum(np.abs(slopes) * np.minimum(0.1, room), axis=0)
        lead = point @ slopes + bias[label] - np.delete(bias, label)
        worst.append(np.min(lead - lost))
    assert np.abs(worst).min() > 1e-4
    return model, x, y.astype("int32"), np.array(worst) < 0


def evaluate(num_classes, version="standard"):
    features = 12 if num_classes < 4 else 5  # else nearly all can be fooled
    model, x, y, vulnerable = linear(num_classes, features)
    assert 0.2 < vulnerable.mean() < 0.8
    attack = attacks.AutoAttack(BALL, version=version)
    result = evaluation.evaluate_robustness(
        model, (x, y), attack, batch_size=40, verbose=False
    )
    return result, vulnerable


@pytest.mark.parametrize(
    "num_classes, version",
    [
        (3, "standard"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in [(2, "standard"), (4, "standard"), (8, "standard")]
        ),
        *(
            pytest.param(num_classes, version, marks=pytest.mark.slow)
            for num_classes in (2, 3, 8)
            for version in ("plus", "strict", "quick", "rand")
        ),
    ],
)
def test_linear_models_are_solved_exactly(num_classes, version):
    result, vulnerable = evaluate(num_classes, version)
    (stage,) = result.stages
    if version != "rand" or num_classes == 2:
        np.testing.assert_array_equal(result.robust, ~vulnerable)
    assert not np.any(~result.robust & ~vulnerable)  # sound, whatever the version
    left = [part.correct for part in stage.parts]
    for before, after in zip(left, left[1:], strict=False):
        assert np.all(after <= before)
    assert stage.name == attacks.AutoAttack(BALL, version=version).title(num_classes)


def test_table_has_a_row_for_each_part():
    result, _ = evaluate(3)
    text = evaluation.robustness_table(
        {"net": result}, {"AutoAttack-K": attacks.AutoAttack(BALL)}
    )
    for name in ("AutoAttack-K", "↳ APGD-CE", "↳ FAB-T", "↳ Square"):
        assert f"| {name} |" in text
    assert text.endswith("Not audited.")


@pytest.mark.parametrize("version", ["fast", None])
def test_unknown_versions_are_named(version):
    with pytest.raises(ValueError, match="`version` must be one of standard, plus"):
        attacks.AutoAttack(BALL, version=version)
