"""examples/multimodal.py: its plan, its table, and a comparison of small nets."""

import types

import multimodal
import numpy as np
import pytest
import settings as run_settings

from keras_mpat.evaluation import RobustnessResult

PLAN = multimodal.read_plan()


@pytest.mark.parametrize("dataset", PLAN["datasets"])
def test_the_plan_can_be_run(dataset):
    found = multimodal.arms(PLAN, dataset)
    names = {multimodal.run_name(given, 0) for given in found.values()}
    assert len(names) == len(found)
    for given in found.values():
        settings = run_settings.resolve(given | {"seed": 0})
        assert settings.epsilon == "8/255" and settings.epochs == 20
    if dataset in multimodal.FINE:
        assert found[multimodal.COLLAPSED]["dataset"] == multimodal.FINE[dataset]
    else:
        assert list(found) == ["lambda_1 = 0", multimodal.OURS]


def test_the_net_on_the_fine_labels_is_trained_once():
    coarse = multimodal.arms(PLAN, "cifar10_2")[multimodal.COLLAPSED]
    fine = multimodal.arms(PLAN, "cifar10")["lambda_1 = 0"]
    assert multimodal.run_name(coarse, 1) == multimodal.run_name(fine, 1)
    resolved = [run_settings.resolve(given | {"seed": 1}) for given in (coarse, fine)]
    assert resolved[0] == resolved[1]


def test_another_radius():
    plan = multimodal.read_plan("4/255")
    given = multimodal.arms(plan, "cifar10_2")
    assert {values["epsilon"] for values in given.values()} == {"4/255"}


def _cell(robust):
    """The first `robust` of 100 images withstand."""
    flags = np.arange(100) < robust
    verdicts = RobustnessResult(np.ones(100, bool), flags, (), 0.0, 0).to_dict()
    stage = {"name": "PGD-10", "attack": "", "seconds": 0.0, "parts": []}
    verdicts["stages"] = [stage | {"correct": verdicts["robust"]}]
    return {"verdicts": verdicts, "minutes": 2.0, "images_per_class": [60, 40]}


def test_the_table_says_what_is_gained_and_what_a_constant_answer_gets():
    results = {("lambda_1 = 0", seed): _cell(50 + seed) for seed in range(3)}
    results |= {("MPAT", seed): _cell(80 + seed) for seed in range(3)}
    text = multimodal.table(PLAN, "cifar10_2", results)
    assert "one answer is right for 60.0 %" in text
    rows = {line.split(" | ")[0].strip("| "): line for line in text.splitlines()}
    assert "| 3 | 100.0 (100.0) | 51.0 (50.0) |" in rows["lambda_1 = 0"]
    assert "+30.0, p = " in rows["lambda_1 = 0"] and "better" in rows["lambda_1 = 0"]
    assert "| – |" in rows["MPAT"] and "TLA" not in rows


def test_training_alone_takes_the_same_flags(tmp_path, capsys, monkeypatch):
    trained = []
    monkeypatch.setattr(
        multimodal.training_script,
        "train",
        lambda s, run_dir, **_: trained.append(run_dir),
    )
    given = {"dataset": "digits_2", "epsilon": None, "seeds": ["0"], "data_dir": None}
    given |= {"results": tmp_path / "results", "run_dir": tmp_path, "parts": 2}

    def train(**more):
        more = given | {"only_train": True, "part": 1, "minutes": 1e9} | more
        multimodal.compare(types.SimpleNamespace(**more))

    with pytest.raises(ValueError, match=r"`part` must be below .* part=2, parts=2"):
        train(part=2)
    train(minutes=-1.0)
    assert not trained and "the same command continues" in capsys.readouterr().out
    train()
    assert [path.name for path in trained] == [
        "digits_2-soft_triple-1-s0",
        "digits_2-triplet-s0",
    ]
    assert "2 cells left" in capsys.readouterr().out


@pytest.mark.slow
def test_a_small_comparison_is_made_continued_and_kept(tmp_path, monkeypatch):
    small = {"strategy": "pgd", "model": "lenet", "filters": [2, 4], "epochs": 1}
    small |= {"train_examples": 128, "validation_examples": 32, "steps": 2}
    plan = PLAN | {"test_examples": 16, "training": small}
    monkeypatch.setattr(multimodal, "read_plan", lambda epsilon: plan)
    given = {"dataset": "digits_2", "epsilon": None, "seeds": ["0"], "data_dir": None}
    given |= {"results": tmp_path / "results", "run_dir": tmp_path / "runs"}
    given |= {"batch_size": 16, "minutes": 1e9, "parts": 1, "part": 0}

    def compare(**more):
        return multimodal.compare(types.SimpleNamespace(**given | more))

    assert "without --only_train" in compare(only_train=True)
    assert not (tmp_path / "results").exists()
    text = compare(only_train=False)
    assert text.count("| 1 | ") == 5 and multimodal.COLLAPSED in text
    assert (tmp_path / "results/digits_2/table.md").read_text() == text
    assert compare(only_train=False, minutes=0.0) == text
