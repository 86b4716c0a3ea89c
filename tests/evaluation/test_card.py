"""Model cards: every field, no robust accuracy alone, and what may not be on one."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from keras import layers

import keras_mpat as mpat
from keras_mpat import attacks, evaluation
from keras_mpat.evaluation import Verification, model_card
from tests import toy

BALL = mpat.Linf("8/255")
FAST = attacks.FGSM(BALL)


@pytest.fixture(scope="module")
def made():
    """(classifier of two classes, its result under FGSM)."""
    net, rng = toy.named(), np.random.default_rng(0)
    net.set_weights([rng.normal(size=w.shape) for w in net.get_weights()])
    return net, evaluate(net)


def evaluate(net, seed=0, attack=FAST, count=24):
    options = {"batch_size": 24, "verbose": False, "seed": seed}
    return evaluation.evaluate_robustness(net, toy.data(count), attack, **options)


def card(net, result, **options):
    options = {"threat_model": BALL, "dataset": "toy, test", **options}
    return model_card(result, model=net, **options)


def test_every_field(made):
    net, result = made
    training = {"strategy": "pgd", "seeds": {"model": 3}}
    values = card(net, result, training=training).to_dict()
    assert json.loads(json.dumps(values)) == values
    assert values["threat_model"]["epsilon"] == "8/255"
    assert values["threat_model"]["norm"] == "Linf"
    net_values = values["architecture"]
    assert net_values["parameters"] == 4 * 8 + 8 + 8 * 2 + 2
    assert net_values["layers"] == {"Dense": 2, "ReLU": 1}
    (one,) = values["results"]
    assert one["clean"]["accuracy"] == result.clean_accuracy
    assert one["robust"]["interval"] == list(result.interval)
    assert one["sha256"] == result.evidence.sha256
    assert one["versions"]["keras"] == keras.__version__
    assert one["seed"] == 0 and values["examples"] == 24
    assert values["attacks"][0]["settings"] == repr(FAST)
    assert values["summary"]["robust"]["worst"] == result.robust_accuracy
    text = card(net, result, training=training).to_markdown()
    for part in (repr(FAST), result.evidence.sha256["weights"], '`{"model": 3}`'):
        assert part in text


def accuracies(text, result):
    """The lines of a card that hold the robust accuracy in percent."""
    figure = f"{100 * result.robust_accuracy:.2f}"
    return [line for line in text.splitlines() if line.startswith("Clean")], figure


def test_a_robust_accuracy_never_stands_alone(made):
    net, result = made
    for audit, words in (
        (None, "under FGSM; not audited"),
        ({"flags": []}, "under FGSM; audited, 0 flags"),
        ({"flags": ["C12: black box wins"]}, "under FGSM; audited, 1 flag"),
    ):
        text = card(net, result, audit=audit).to_markdown()
        (line,), figure = accuracies(text, result)
        assert f"Robust **{figure}" in line and words in line
        assert f"Worst case: {words}." in text
    assert "- C12: black box wins" in text
    assert (
        "read the robust accuracy as an upper bound" in card(net, result).to_markdown()
    )


def test_two_classes_name_their_protocol(made):
    net, _ = made
    few = evaluate(
        net, attack={"AA": attacks.AutoAttack(BALL, version="rand")}, count=6
    )
    made_card = card(net, few)
    assert made_card.to_dict()["attacks"][0]["protocol"] == "AutoAttack-K"
    text = made_card.to_markdown()
    assert "under AA (AutoAttack-K); not audited" in text
    assert "the published targeted attacks are undefined" in text
    assert "↳ after APGD-margin" in text
    four = keras.Sequential([keras.Input((4,)), layers.Dense(4)])
    stage = dataclasses.replace(few.stages[0], name="AutoAttack")
    other = dataclasses.replace(few, stages=(stage,), evidence=None)
    assert "under AutoAttack; not" in card(four, other).to_markdown()
    assert "not recorded" in card(four, other).to_markdown()


def test_several_seeds_give_mean_and_worst(made):
    net, result = made
    worse = dataclasses.replace(result, robust=result.robust & (np.arange(24) > 11))
    summary = card(net, [result, worse]).to_dict()["summary"]["robust"]
    both = [result.robust_accuracy, worse.robust_accuracy]
    assert both[0] > both[1]
    assert summary == {"mean": pytest.approx(np.mean(both)), "worst": both[1]}
    text = card(net, [result, worse]).to_markdown()
    mean, worst = 100 * summary["mean"], 100 * summary["worst"]
    assert f"**{mean:.2f} % on average, {worst:.2f} % for the worst seed**" in text
    assert "2 seeds" in text and "| run 2, seed 0 |" in text


def test_verification_and_audit_are_dicts_or_objects(made):
    net, result = made
    flipped = result.robust.copy()
    flipped[np.flatnonzero(flipped)[0]] = False
    other = Verification("autoattack 0.1", ours=result.robust, theirs=flipped)

    class Audit:
        def to_dict(self):
            return {"flags": ("C01",), "checks": 3}

    for verification in (other, other.to_dict()):
        made_card = card(net, result, verification=verification, audit=Audit())
        assert made_card.to_dict()["audit"] == {"flags": ["C01"], "checks": 3}
        text = made_card.to_markdown()
        assert "| implementation | autoattack 0.1 |" in text
        assert "| broken by theirs only | 1 |" in text
        assert f"| its robust accuracy, % | {100 * flipped.mean():.2f} |" in text
        assert "Of 24 examples under AutoAttack; audited, 1 flag." in text


def test_save(made, tmp_path):
    net, result = made
    net.save(tmp_path / "net.keras")
    folder = tmp_path / "run"
    given = card(tmp_path / "net.keras", result)
    given.save(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["card.json", "card.md"]
    assert json.loads((folder / "card.json").read_text()) == given.to_dict()
    assert (folder / "card.md").read_text(encoding="utf-8") == given.to_markdown()


def test_an_interval_of_certified_and_attacked(made):
    net, result = made

    class Certified(evaluation.RobustnessResult):
        def to_dict(self):
            return super().to_dict() | {"certified_accuracy": 0.25}

    fields = {f.name: getattr(result, f.name) for f in dataclasses.fields(result)}
    text = card(net, Certified(**fields)).to_markdown()
    assert f"[25.00, {100 * result.robust_accuracy:.2f}] %" in text


def test_the_ball_of_every_attack_is_compared_by_value(made, tmp_path):
    net, _ = made
    chain = attacks.WorstCase([FAST, attacks.FGSM(mpat.Linf(0.3))])
    for attack in (chain, attacks.FGSM(mpat.Linf("8/255", bounds=(0.0, 1.5)))):
        with pytest.raises(ValueError, match="`threat_model` must be that of the att"):
            card(net, evaluate(net, attack=attack))
    same = evaluate(net, attack=attacks.FGSM(mpat.Linf(8 / 255, bounds=(0, 1))))
    same.save(tmp_path / "same.json")
    for result in (same, evaluation.RobustnessResult.load(tmp_path / "same.json")):
        assert card(net, result).to_dict()["threat_model"]["epsilon"] == "8/255"


def test_of_an_earlier_version_the_ball_is_read_from_the_attacks(made):
    net, result = made
    old = dataclasses.replace(
        result, evidence=dataclasses.replace(result.evidence, balls=())
    )
    assert card(net, old).to_dict()["examples"] == 24
    with pytest.raises(ValueError, match="`threat_model` must be that .* FGSM is FGSM"):
        card(net, old, threat_model=mpat.Linf(0.3))


def test_what_cannot_stand_on_one_card(made):
    net, result = made
    twin = keras.models.clone_model(net)
    twin.set_weights([w + 1 for w in net.get_weights()])
    other = Verification("x", ours=result.robust, theirs=result.robust).to_dict()
    strange = other | {"sha256": {"weights": "0" * 64}}
    far = other | {"threat_model": {"norm": "Linf", "radius": 0.3}}
    for options, message in (
        ({"result": []}, "`result` must hold one result per seed"),
        (
            {"result": [result, evaluate(net, count=12)]},
            "`result` must hold one result",
        ),
        ({"result": "result.json"}, "`result` must be a RobustnessResult"),
        (
            {"threat_model": mpat.Linf(0.3)},
            "`threat_model` must be that of the attacks",
        ),
        ({"result": None}, "`result` must be a RobustnessResult"),
        ({"threat_model": 0.3}, "`threat_model` must be"),
        ({"audit": True}, "`audit` must be a dict"),
        ({"training": "pgd"}, "`training` must be a dict"),
        ({"verification": {"n": 3}}, "`verification` must be a Verification"),
        ({"net": twin}, "`model` must be the one that was evaluated"),
        ({"net": "nothing.keras"}, "where there is no file"),
        ({"audit": {"passed": True}}, "`audit` must have the list 'flags'"),
        ({"verification": strange}, "`verification` must be of the same weights"),
        ({"verification": far}, "`verification` must be of the same threat model"),
    ):
        given = {"net": net, "result": result, **options}
        with pytest.raises(ValueError, match=message):
            card(given.pop("net"), given.pop("result"), **given)
