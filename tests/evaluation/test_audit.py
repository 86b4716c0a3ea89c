"""The audit: for each check a planted model that fails it, and one that passes."""

import dataclasses
import json
import types

import keras
import numpy as np
import pytest
from keras import ops

import keras_mpat as mpat
from keras_mpat import L2, Linf, attacks, evaluation
from keras_mpat.evaluation.audit import Audit
from keras_mpat.evaluation.checks import CHECKS, Answer, budget, protocol
from tests.evaluation import planted
from tests.evaluation.asked import BY_NUMBER, answer
from tests.evaluation.planted import BALL, Suite, data, model, of_margin


def many(n=12000):
    """Enough examples for a narrow interval."""
    return data(np.random.default_rng(1).uniform(0.01, 0.4, n))


def at_edge():
    """All examples at the same place, 0.1 from the border."""
    return data(np.full(24, 0.1))


def spread_out():
    """Examples whose features lie anywhere."""
    x = np.random.default_rng(2).uniform(0.3, 0.7, (24, planted.FEATURES))
    x[:, 0] = 0.5 + np.linspace(0.05, 0.35, 24)
    return x.astype("float32"), np.ones(24, "int32")


def inside():
    """Examples at which every feature has room on both sides."""
    x = np.full((24, planted.FEATURES), 0.5) + 0.001 * np.arange(planted.FEATURES)
    return x.astype("float32"), np.ones(24, "int32")


def decoys():
    return np.full((24, planted.FEATURES), 0.7, "float32"), np.ones(24, "int32")


def modes():
    """Fine labels 0 and 1 of the classes 0 and 1."""
    x, _ = data(np.linspace(-0.35, 0.35, 24))
    return x, (x[:, 0] > 0.5).astype("int32")


LINEAR = of_margin(planted.linear)
CONSTANT = of_margin(planted.flat)
SUITE = {"attack": Suite(BALL)}


@dataclasses.dataclass(frozen=True)
class Case:
    """How to fail a check, and how to pass it.

    Args:
        fails, passes: keyword arguments of `answer` with a classifier.
        severity: of the failure.
        slow: whether it takes more than a few seconds.
    """

    fails: dict
    passes: dict
    severity: str = "error"
    slow: bool = False


def case(fails, passes=None, /, *, both=None, good=None, slow=False, severity="error"):
    """A case from classifiers; `both`: arguments of both, `good`: of what passes."""
    both = both or {}
    passes = LINEAR if passes is None else passes
    good = both if good is None else good
    bad = {"classifier": fails, **both}
    return Case(bad, {"classifier": passes, **good}, severity, slow)


def fine(collapse_model):
    return {"modes": modes()[1], "collapse_model": collapse_model}


def twins(**models):
    return {"given": {"twins": {k.replace("_", " "): v for k, v in models.items()}}}


def result_of(flags):
    """A `RobustnessResult` with these verdicts."""
    flags = np.asarray(flags, "bool")
    return mpat.evaluation.RobustnessResult(flags, flags, (), 0.0, 0)


def other_seed(number):
    """The result of `LINEAR` as if it had other weights."""
    found = evaluation.evaluate_robustness(
        LINEAR, data(), attacks.FGSM(BALL), verbose=False
    )
    sha256 = found.evidence.sha256 | {"weights": f"seed {number}"}
    evidence = dataclasses.replace(found.evidence, sha256=sha256)
    return dataclasses.replace(found, evidence=evidence)


TWO = [other_seed(1), other_seed(2)]

CASES = {
    "C01": case(model(planted.softmax)),
    "C02": case(model(planted.noisy)),
    "C03": case(model(planted.batch_mean)),
    "C04": case(model(planted.noisy)),
    "C05": case(LINEAR, both={"xy": (data()[0] * 2, data()[1])}, good={}),
    "C06": case(CONSTANT),
    "C07": case(of_margin(planted.wrong_gradient), severity="warning"),
    "C08": case(
        of_margin(planted.bump), both={"xy": data(np.full(24, 0.095))}, slow=True
    ),
    "C09": case(of_margin(planted.chained), both={"xy": inside()}, good={}, slow=True),
    "C10": case(
        of_margin(planted.lucky), both={"xy": inside()}, severity="warning", slow=True
    ),
    "C11": case(CONSTANT, slow=True),
    "C12": case(of_margin(planted.stairs), both=SUITE, severity="warning"),
    "C13": case(of_margin(planted.lucky), both={"xy": inside()}, good={}, slow=True),
    "C14": case(
        CONSTANT, LINEAR, both={**twins(standard=LINEAR), "attack": attacks.FGSM(BALL)}
    ),
    "C15": case(model(planted.decoy), both={"xy": decoys(), **SUITE}, good=SUITE),
    "C16": case(of_margin(planted.steep), severity="warning"),
    "C17": case(
        LINEAR,
        both={"attack": attacks.RandomNoise(BALL)},
        good={"attack": attacks.FGSM(BALL)},
        slow=True,
    ),
    "C18": case(of_margin(planted.valley), both={"xy": at_edge()}, good={}),
    "C19": case(CONSTANT),
    "C20": case(of_margin(planted.sharp), severity="warning"),
    "C21": case(
        LINEAR,
        both={"attack": planted.Forgetful(BALL)},
        good={"attack": attacks.FGSM(BALL)},
    ),
    "C22": case(
        of_margin(planted.chained),
        both={"xy": inside(), "attack": attacks.FGSM(BALL)},
        good={},
        severity="warning",
        slow=True,
    ),
    "C24": case(CONSTANT, slow=True),
    "C25": case(model(planted.noisy)),
    "C26": case(
        of_margin(planted.off_grid),
        both={"ball": Linf("0.5/255"), "xy": data(np.full(24, 128.1 / 255 - 0.5))},
        good={"ball": Linf("8/255"), "xy": data(np.full(24, 0.02))},
        severity="warning",
    ),
    "C27": case(
        LINEAR,
        both=twins(standard=CONSTANT),
        good={**twins(standard=LINEAR), "xy": data(np.full(24, 0.1))},
    ),
    "C28": case(
        model(planted.overflowing), both={"xy": (data()[0], 0 * data()[1])}, good={}
    ),
    "C29": case(
        LINEAR,
        of_margin(planted.steep),
        both=twins(no_head=CONSTANT),
        good=twins(no_head=LINEAR),
    ),
    "C30": case(LINEAR, both={}, good={"xy": many()}, slow=True),
    "C31": case(
        LINEAR,
        both={"given": {"record": {"selected_on": "test"}}},
        good={"given": {"record": {"selected_on": "last epoch"}}},
    ),
    "C32": case(
        LINEAR, both={"given": {"runs": TWO[:1]}}, good={"given": {"runs": TWO}}
    ),
    "C33": case(
        planted.headed(),
        planted.headed(),
        both={"attack": attacks.RandomNoise(BALL)},
        good={"attack": attacks.APGD(BALL, steps=20), "given": {"train": modes()}},
        slow=True,
    ),
    "C34": case(
        LINEAR,
        both={"xy": modes(), "given": fine(CONSTANT)},
        good={"xy": modes(), "given": fine(LINEAR)},
        severity="warning",
    ),
    "C36": case(
        planted.dense(),
        planted.dense(),
        both={"result": result_of(np.zeros(24))},
        good={},
    ),
    "C37": case(of_margin(planted.saturating), both={"xy": spread_out()}),
    "C38": case(of_margin(planted.stairs), both=SUITE),
}
ONLY_REPORTED = {"C23", "C35"}


MODELS = [
    pytest.param(number, marks=[pytest.mark.slow] if chosen.slow else [], id=number)
    for number, chosen in CASES.items()
]


@pytest.mark.parametrize("number", MODELS)
def test_a_planted_model_fails_and_another_passes(number, tmp_path):
    chosen = CASES[number]
    found = answer(number, folder=tmp_path / "fails", **chosen.fails)
    assert (found.status, found.severity) == ("fail", chosen.severity), found.text
    found = answer(number, folder=tmp_path / "passes", **chosen.passes)
    assert found.status == "pass", found.text


def through(x):
    """`planted.saturating` with the gradient of the line everywhere."""
    line = (x - 0.45) / 0.1
    shift = ops.stop_gradient(ops.clip(line, 0.0, 1.0) - line)
    return 20 * (ops.mean(line + shift, axis=-1) - 0.35)


@pytest.mark.parametrize(
    "surrogate, attack, status",
    [
        (through, attacks.AutoAttack(BALL), "pass"),
        (planted.saturating, attacks.AutoAttack(BALL), "fail"),  # as dead
        (planted.linear, attacks.AutoAttack(BALL), "fail"),  # another function
        (through, attacks.FGSM(BALL), "fail"),
    ],
)
def test_dead_coordinates_may_be_attacked_by_another_way(
    surrogate, attack, status, tmp_path
):
    behind = attacks.Transfer(attack, surrogate=of_margin(surrogate))
    options = {"xy": spread_out(), "attack": {"FGSM": attacks.FGSM(BALL), "B": behind}}
    found = answer("C37", of_margin(planted.saturating), folder=tmp_path, **options)
    assert found.status == status, found.text
    assert ("0.0 % for 'B', which goes another way" in found.text) == (status == "pass")


def whole():
    """AutoAttack of `planted.saturating` through `through`."""
    return attacks.Transfer(attacks.AutoAttack(BALL), surrogate=of_margin(through))


@pytest.mark.parametrize("number", ["C10", "C11", "C24"])
def test_checks_go_around_what_is_dead_as_the_evaluation_does(number, tmp_path):
    model, xy = of_margin(planted.saturating), spread_out()
    alone = answer(number, model, folder=tmp_path / "alone", xy=xy)
    both = answer(number, model, folder=tmp_path / "both", xy=xy, attack={"B": whole()})
    assert (alone.status, both.status) == ("fail", "pass"), (alone.text, both.text)
    assert "'B' shows another way" in both.text and "another way" not in alone.text


def test_the_loss_that_attacks_reach_is_that_of_the_worse_way(tmp_path):
    model, xy = of_margin(planted.saturating), spread_out()
    found = [
        answer("C09", model, folder=tmp_path / name, xy=xy, attack={name: attack})
        for name, attack in {"A": attacks.AutoAttack(BALL), "B": whole()}.items()
    ]
    assert found[0].text.startswith("PGD-50 5") and found[0].status == "pass"
    assert found[1].text.startswith("PGD-50 0.0 %, PGD-100 0.0 %, loss 0.0 %")


def mute(x):
    """`planted.saturating` with no gradient at all."""
    return ops.stop_gradient(planted.saturating(x))


def test_a_surrogate_without_gradients_shows_no_way(tmp_path):
    blind = attacks.Transfer(attacks.AutoAttack(BALL), surrogate=of_margin(mute))
    options = {"xy": spread_out(), "attack": {"B": blind}, "folder": tmp_path}
    for number in "C37", "C24":
        found = answer(number, of_margin(planted.saturating), **options)
        assert found.status == "fail", found.text


@pytest.mark.parametrize("order", ["AB", "BA", "NA", "QA", "SB"])
def test_what_square_takes_off_the_white_box_is_so_in_any_order(order, tmp_path):
    sound = attacks.APGD(BALL, steps=50, objective=planted.MARGIN)
    every = {
        "A": attacks.AutoAttack(BALL),
        "B": whole(),
        "N": attacks.Transfer(sound, surrogate=of_margin(planted.linear)),
        "Q": attacks.RandomNoise(BALL, restarts=20),
        "S": attacks.AutoAttack(BALL, version="strict"),
    }
    chosen = {name: every[name] for name in order}
    options = {"xy": spread_out(), "attack": chosen, "folder": tmp_path}
    found = answer("C38", of_margin(planted.saturating), **options)
    assert found.status == ("pass" if "B" in order else "fail"), found.text


class Late(planted.Suite):
    """Square first."""

    def stages(self, num_classes):
        return dict(reversed(super().stages(num_classes).items()))


def test_gradients_after_square_in_one_attack_are_no_answer(tmp_path):
    options = {"xy": spread_out(), "attack": Late(BALL), "folder": tmp_path}
    found = answer("C38", of_margin(planted.stairs), **options)
    assert found.status == "not run" and "needs Square after" in found.text


def test_seeds_behind_surrogates_of_their_own_are_seeds(tmp_path):
    runs = []
    for number in 1, 2:
        scaled = of_margin(lambda x, n=number: (1 + n) * planted.linear(x))
        attack = attacks.Transfer(attacks.FGSM(BALL), surrogate=scaled)
        found = evaluation.evaluate_robustness(
            LINEAR, data(), {"B": attack}, verbose=False
        )
        sha256 = found.evidence.sha256 | {"weights": f"seed {number}"}
        evidence = dataclasses.replace(found.evidence, sha256=sha256)
        runs.append(dataclasses.replace(found, evidence=evidence))
    own = attacks.Transfer(attacks.FGSM(BALL), surrogate=LINEAR)
    options = {"given": {"runs": runs}, "attack": {"B": own}, "folder": tmp_path}
    found = answer("C32", LINEAR, **options)
    assert found.status == "pass", found.text


def test_every_check_has_a_planted_model():
    assert set(CASES) | ONLY_REPORTED == set(BY_NUMBER)
    assert len(CHECKS) == 38


@pytest.mark.parametrize("number", sorted(ONLY_REPORTED))
def test_what_is_only_reported_passes(number, tmp_path):
    given = twins(standard=LINEAR)
    assert answer(number, LINEAR, folder=tmp_path, **given).status == "pass"


def test_a_twin_that_is_not_trained_is_no_twin(tmp_path):
    constant = planted.dense()
    constant.set_weights([np.zeros((planted.FEATURES, 2)), np.array([3.0, 0.0])])
    for number, name in (("C27", "standard"), ("C29", "no head"), ("C14", "standard")):
        given = {"given": {"twins": {name: constant}}}
        found = answer(number, LINEAR, folder=tmp_path, **given)
        assert found.status == "not run" and "trained" in found.text


def test_another_ball_than_that_of_the_attacks_is_no_threat_model(tmp_path):
    found = answer("C05", LINEAR, folder=tmp_path, attack=Suite(Linf(0.19)))
    assert found.status == "fail" and "another threat model" in found.text


def test_proofs_are_attacked_even_where_the_evaluation_spares_them(
    tmp_path, monkeypatch
):
    def everything(classifier, xy, ball):
        return np.ones(len(xy[1]), "bool")

    monkeypatch.setattr(protocol, "certified", everything)
    flags = np.ones(24, "bool")
    spared = dataclasses.replace(result_of(flags), certified=flags)
    found = answer("C36", planted.dense(), folder=tmp_path, result=spared)
    assert found.status == "fail"


def test_the_same_run_three_times_is_one_seed(tmp_path):
    given = {"given": {"runs": [TWO[0], TWO[0], TWO[0]]}}
    found = answer("C32", LINEAR, folder=tmp_path, attack=attacks.FGSM(BALL), **given)
    assert found.status == "fail" and found.text.startswith("2 seeds")


def test_an_unexpected_error_is_an_answer(tmp_path):
    def broken(subject):
        raise RuntimeError("out of luck")

    check = dataclasses.replace(BY_NUMBER["C01"], measure=broken)
    found = check.run(None)
    assert (found.status, found.text) == (
        "not run",
        "stopped by RuntimeError: out of luck",
    )


NEEDS = {
    "C14": "twins['standard']",
    "C27": "twins['standard']",
    "C31": "record=",
    "C32": "runs=",
}


@pytest.mark.parametrize("number", sorted(NEEDS))
def test_what_lacks_something_is_not_run_and_says_what(number, tmp_path):
    found = answer(number, LINEAR, folder=tmp_path)
    assert found.status == "not run"
    assert found.text.startswith("needs ") and NEEDS[number] in found.text


def test_checks_of_a_head_apply_where_there_is_one(tmp_path):
    for number in ("C29", "C33"):
        found = answer(number, LINEAR, folder=tmp_path)
        assert (found.status, found.text) == ("not applicable", "the model has no head")
    found = answer("C33", LINEAR, folder=tmp_path, **twins(no_head=LINEAR))
    assert found.status == "not run" and "the AdversarialModel" in found.text
    found = answer("C29", planted.headed(), folder=tmp_path)
    assert found.status == "not run" and found.text == "needs twins['no head']"


def test_the_head_of_a_plain_classifier_is_that_of_the_model_it_was_taken_from(
    tmp_path,
):
    whole = planted.headed()
    given = {"head_model": whole, "train": modes()}
    found = answer("C33", whole.classifier, given=given, folder=tmp_path)
    assert found.status in ("pass", "fail") and "attacks break" in found.text


@pytest.mark.parametrize(
    "head_model, message",
    [
        (lambda: LINEAR, "`head_model` must be an AdversarialModel"),
        (planted.headed, "`head_model` must be what the audited classifier was taken"),
        (lambda: "no.keras", "`head_model` must be a Keras model or the path"),
    ],
)
def test_a_head_of_another_model_is_refused(head_model, message):
    with pytest.raises(ValueError, match=message):
        evaluation.audit(LINEAR, data(), BALL, head_model=head_model(), verbose=False)


def test_no_bounds_contradict_nothing(tmp_path):
    assert answer("C36", LINEAR, folder=tmp_path).status == "not applicable"


RADII = np.array([0.2, 0.1, 0.1, 0.4, 0.1, 0.2], "float32")
HIGH = np.linspace(0.9, 1.0, planted.FEATURES)
RANGES = (np.zeros(planted.FEATURES), HIGH)
PER_FEATURE = {
    "Linf": Linf(RADII),
    "ranges": Linf(0.2, bounds=RANGES),
    "L2": L2(RADII, bounds=RANGES),
}


@pytest.mark.slow
@pytest.mark.parametrize("ball", PER_FEATURE.values(), ids=PER_FEATURE)
def test_balls_with_one_epsilon_per_feature_grow_to_the_whole_box(ball, tmp_path):
    for number in ("C11", "C24"):  # the second finds the work of the first
        found = answer(number, LINEAR, ball=ball, folder=tmp_path / "good")
        assert found.status == "pass", found.text
        found = answer(number, CONSTANT, ball=ball, folder=tmp_path / "bad")
        assert found.status == "fail", found.text


FIXED = Linf(RADII * (np.arange(planted.FEATURES) > 0))  # the decisive feature is


@pytest.mark.parametrize("ball", [FIXED, Linf(0.2, mutable=np.arange(6) > 0)])
def test_with_fixed_features_no_ball_is_the_whole_box(ball, tmp_path):
    found = answer("C24", LINEAR, ball=ball, folder=tmp_path)
    assert found.status == "not applicable" and "fixed" in found.text


@pytest.mark.slow
def test_with_fixed_features_accuracy_still_falls_with_epsilon(tmp_path):
    found = answer("C11", LINEAR, ball=FIXED, folder=tmp_path)
    assert found.status == "pass" and "some features are fixed" in found.text


@pytest.mark.parametrize("part", [0.5, 1.0])
def test_the_way_across_the_box(part):
    """Closed forms: Linf a share of each range; L2 of the corner, in epsilons."""
    subject = types.SimpleNamespace(
        x=data()[0], threat_model=Linf(RADII, bounds=RANGES)
    )
    across = budget._across(subject, part).radius
    np.testing.assert_allclose(across, part * HIGH, rtol=1e-5)
    subject.threat_model = L2(RADII, bounds=RANGES)
    across = budget._across(subject, part).radius
    expected = part * RADII * np.sqrt(np.sum((HIGH / RADII) ** 2))
    np.testing.assert_allclose(across, expected, rtol=1e-5)


def result_after(classes=10, version="plus", **taken):
    """A result of AutoAttack whose parts take so many of 100 examples each."""
    names = attacks.AutoAttack(BALL, version=version).stages(classes)
    left, parts = 100, []
    for name in names:
        left -= taken.get(name.replace("-", "_"), 0)
        flags = np.arange(100) < left
        parts.append(evaluation.result.Part(name, "", flags, 0.0))
    stage = evaluation.result.Stage("AA", "", parts[-1].correct, 0.0, tuple(parts))
    return dataclasses.replace(result_of(np.ones(100)), stages=(stage,))


@pytest.mark.parametrize(
    ("classes", "version", "taken", "points"),
    [
        (10, "plus", {"APGD_DLR": 2, "APGD_T": 1, "Square": 50}, "3.0"),
        (10, "plus", {"APGD_CE": 40, "FAB": 2, "FAB_T": 9}, "2.0"),
        (2, "plus", {"FAB": 3, "APGD_margin": 1}, "4.0"),
        (10, "standard", {"APGD_T": 2, "FAB_T": 9, "Square": 9}, "2.0"),
        (3, "strict", {"APGD_DLR": 2, "APGD_T": 1, "FMN": 9}, "3.0"),
        (10, "quick", {"APGD_T": 4, "Square": 9}, "4.0"),
        (10, "rand", {"APGD_DLR": 4}, "4.0"),
    ],
)
def test_margins_against_cross_entropy_in_each_version(
    classes, version, taken, points, tmp_path
):
    made = result_after(classes, version, **taken)
    found = answer("C15", LINEAR, folder=tmp_path, result=made)
    assert found.status == "pass" and found.text.endswith(f": {points} points")
    taken = {"APGD_T" if classes > 2 else "APGD_margin": 9, "APGD_DLR": 9}
    made = result_after(classes, version, **taken)
    found = answer("C15", LINEAR, folder=tmp_path, result=made)
    assert (found.status, found.severity) == ("fail", "error")


def test_cross_entropy_alone_tells_nothing_of_margins(tmp_path):
    made = result_after()
    alone = dataclasses.replace(made.stages[0], parts=made.stages[0].parts[:1])
    made = dataclasses.replace(made, stages=(alone,))
    found = answer("C15", LINEAR, folder=tmp_path, result=made)
    assert found.status == "not run" and "margin or DLR" in found.text


def _audit(**statuses):
    """An `Audit` in which all checks pass but those that are named."""
    answers = []
    for check in CHECKS:
        status, severity = statuses.get(check.number, ("pass", check.severity))
        answers.append(Answer(check, status, severity, "figures"))
    return Audit(tuple(answers), None, 5)


@pytest.mark.parametrize(
    ("statuses", "verdict", "code"),
    [
        ({}, "passed", 0),
        ({"C20": ("fail", "warning")}, "passed", 0),
        ({"C20": ("not run", "warning")}, "passed", 0),
        ({"C02": ("not run", "error")}, "incomplete", 2),
        ({"C33": ("not applicable", "error")}, "passed", 0),
        ({"C02": ("not run", "error"), "C13": ("fail", "error")}, "failed", 1),
        ({"C06": ("fail", "warning")}, "passed", 0),
    ],
)
def test_verdict(statuses, verdict, code, tmp_path):
    report = _audit(**statuses)
    assert (report.verdict, report.exit_code) == (verdict, code)
    report.save(tmp_path)
    kept = json.loads((tmp_path / "audit.json").read_text(encoding="utf-8"))
    assert kept["verdict"] == verdict and len(kept["checks"]) == len(CHECKS)
    text = (tmp_path / "audit.md").read_text(encoding="utf-8")
    assert text == report.to_markdown() and text.startswith(f"audit {verdict}")
    for number, (status, _) in statuses.items():
        assert (BY_NUMBER[number].advice in text) == (status == "fail")


def test_audit_of_softmax_lists_everything(tmp_path):
    report = evaluation.audit(
        model(planted.softmax), data(), BALL, attack=Suite(BALL), verbose=False
    )
    found = {answer.check.number: answer for answer in report.answers}
    assert list(found) == [check.number for check in CHECKS]
    assert found["C01"].status == "fail" and report.exit_code == 1
    assert found["C13"].status == "not run" and "logits" in found["C13"].text
    assert report.result is None


@pytest.mark.slow
def test_audit_from_a_file_goes_on(tmp_path):
    net = keras.Sequential([keras.Input((6,)), keras.layers.Dense(2)])
    net.set_weights([np.eye(6, 2) * [[-4.0, 4.0]] + np.eye(6, 2), np.array([1.5, -2])])
    net.save(tmp_path / "net.keras")
    arguments = (tmp_path / "net.keras", data(), BALL)
    options = {"attack": Suite(BALL), "verbose": False, "state_dir": tmp_path / "state"}
    first = evaluation.audit(*arguments, **options)
    again = evaluation.audit(*arguments, **options)
    assert [a.text for a in first.answers] == [a.text for a in again.answers]
    assert first.result == again.result and len(first.answers) == len(CHECKS)
