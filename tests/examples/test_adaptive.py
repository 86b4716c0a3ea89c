"""--attacks adaptive of examples/evaluate.py: with a head, and without one."""

import evaluate
import pytest
import settings
import train

from keras_mpat import attacks


def run_of(folder, given):
    train.train(settings.resolve(given), folder)
    return folder


@pytest.fixture(scope="module")
def with_head(tiny, tmp_path_factory):
    """A finished run with a SoftTriple head."""
    return run_of(tmp_path_factory.mktemp("head"), tiny | {"epochs": 1})


def test_attacks_are_those_of_the_head(with_head):
    chosen = evaluate.suite(
        0.1, names=["fgsm", "adaptive"], steps_factor=2, run_dir=with_head
    )
    assert list(chosen)[:2] == ["FGSM", "P1 margin"]
    assert {name[:2] for name in chosen} == {"FG", *(f"P{n}" for n in range(1, 8))}
    attack = chosen["P4 prototypes"]
    assert attack.steps == 200 and attack.threat_model.radius == 0.1
    assert len(chosen["P5 features"].objective.embeddings) > 1000
    again = evaluate.suite(0.1, names=["adaptive"], steps_factor=2, run_dir=with_head)
    assert all(repr(again[name]) == repr(chosen[name]) for name in again)


def test_the_command_writes_a_row_for_each(with_head):
    chosen = evaluate.suite(0.1, names=["adaptive"], run_dir=with_head)
    chosen = {name: chosen[name] for name in ("P2 similarities", "P4 prototypes")}
    small = {
        name: attacks.LatentAttack(
            attack.threat_model,
            features=attack.features,
            head=attack.head,
            objective=attack.objective,
            steps=2,
        )
        for name, attack in chosen.items()
    }
    result = evaluate.evaluate(with_head, chosen=small, limit=40, batch_size=40)
    assert [stage.name for stage in result.stages] == list(small)
    assert all(stage.accuracy <= result.clean_accuracy for stage in result.stages)
    assert evaluate.evaluate(with_head, chosen=small, limit=40, batch_size=40) == result
    table = evaluate.robustness_table({"digits_2": result}, small)
    assert "| P4 prototypes | 0.1 |" in table


def test_a_run_without_a_head_is_refused(tiny, tmp_path):
    folder = run_of(tmp_path / "run", tiny | {"head": "none", "epochs": 1})
    with pytest.raises(ValueError, match=r"adaptive for a run with a head only.*none"):
        evaluate.suite(0.1, names=["adaptive"], run_dir=folder)
    (folder / "model.keras").unlink()
    with pytest.raises(ValueError, match=r"`run_dir` must hold model\.keras"):
        evaluate.suite(0.1, names=["adaptive"], run_dir=folder)
