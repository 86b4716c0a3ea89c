"""examples/prototypes.py and merging.py: what a run whose prototypes merge leaves."""

import json

import merging
import numpy as np
import prototypes
import pytest
import settings
import train
from matplotlib.image import imread

from keras_mpat.callbacks import FullState
from keras_mpat.evaluation import plots


class _Stop(Exception):
    pass


# Without an adversary: nothing but the prototypes is looked at.
CLEAN = {"dataset": "digits_2", "strategy": "standard", "filters": [4, 8]}
CLEAN |= {"epochs": 4, "train_examples": 640, "validation_examples": 50}
CLEAN |= {"validation_steps": 0, "head": "soft_triple"}


@pytest.fixture(scope="module")
def chosen():
    """A run in which all prototypes merge in the third of four epochs."""
    given = {"prototypes_per_class": [3, 2], "merge_threshold": 2.0}
    return settings.resolve(CLEAN | given)


@pytest.fixture(scope="module")
def run_dir(chosen, tmp_path_factory):
    """It, finished."""
    folder = tmp_path_factory.mktemp("run")
    train.train(chosen, folder)
    return folder


def test_a_run_remembers_how_its_prototypes_merged(run_dir):
    values = merging.read_merging(run_dir)
    assert values["history"] == [[3, 2], [3, 2], [1, 1], [1, 1]]
    assert values["threshold"] == 2.0
    assert [merge["epoch"] for merge in values["merges"]] == [2, 2, 2]
    assert sorted(merge["label"] for merge in values["merges"]) == [0, 0, 1]
    assert values["before"].shape == values["after"].shape == (2, 3, 3)
    assert np.isfinite(values["before"]).sum() == 3 * 3 + 2 * 2
    np.testing.assert_allclose(values["after"][:, 0, 0], 1.0)
    assert np.isfinite(values["after"]).sum() == 2


def test_an_interrupted_run_ends_with_the_same_record(
    chosen, run_dir, tmp_path, monkeypatch
):
    end = FullState.on_epoch_end

    def interrupted(self, epoch, logs=None):
        if epoch == 3:  # the fourth epoch is listed, its state is not kept
            raise _Stop
        end(self, epoch, logs)

    with monkeypatch.context() as patch, pytest.raises(_Stop):
        patch.setattr(FullState, "on_epoch_end", interrupted)
        train.train(chosen, tmp_path)
    assert merging.read_merging(tmp_path) is None
    train.train(chosen, tmp_path)
    first, second = (
        json.loads((folder / "merging.json").read_text())
        for folder in (tmp_path, run_dir)
    )
    assert first == second


def test_the_table_and_the_pictures_of_a_run(run_dir, run_script):
    done = run_script("examples/prototypes.py", "--run_dir", run_dir, "--count", "5")
    assert done.returncode == 0, done.stderr
    text = (run_dir / "prototypes.md").read_text(encoding="utf-8")
    assert text in done.stdout
    assert "digits_2, 640 images of the split train, without an attack." in text
    assert "left per class: [1, 1], after 3 mergings of pairs closer than 2." in text
    values = json.loads((run_dir / "prototypes.json").read_text())
    counts = np.array(values["counts"])
    assert counts.shape == (2, 10) and counts.sum() == 640
    assert not counts[0, 5:].any() and not counts[1, :5].any()
    assert values["purity"] == values["purity_of_one"]
    # One prototype per class: there is no choice, and none for the control.
    assert {draw["purity"] for draw in values["untrained"]} == {values["purity"]}
    assert "Control: as many random directions" in text
    assert f"| 5/6/7/8/9 | 1 | {counts[1].sum()} |" in text
    shapes = []
    for name in ("prototypes", "prototypes_merging", "prototypes_cosines"):
        path = run_dir / f"{name}.png"
        assert f"  {path}" in done.stdout
        picture = imread(path)[..., :3]
        assert picture.std() > 0.05
        shapes.append(picture.shape)
    prototypes.show(run_dir, split="test", count=9, limit=30)
    assert "30 images of the split test" in (run_dir / "prototypes.md").read_text()
    assert imread(run_dir / "prototypes.png").shape[1] > shapes[0][1]  # 9 above 5


def test_a_run_without_merging_has_a_sheet_alone(tmp_path):
    given = {"epochs": 1, "prototypes_per_class": 2, "merge_threshold": 0.0}
    chosen = settings.resolve(CLEAN | given)
    assert chosen.merge_threshold is None  # as if it were not given
    train.train(chosen, tmp_path)
    text, pictures = prototypes.show(tmp_path, count=2)
    assert "[2, 2]; they were not merged." in text
    assert [path.name for path in pictures] == ["prototypes.png"]
    assert not (tmp_path / "merging.json").exists()


def test_runs_without_prototypes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="has no effect with head=none"):
        settings.resolve({"head": "none", "merge_threshold": 0.2})
    wrong = settings.resolve(CLEAN | {"merge_threshold": 2.5})
    with pytest.raises(ValueError, match="`threshold` must lie between 0 and 2"):
        train.train(wrong, tmp_path / "wrong")
    assert not (tmp_path / "wrong").exists()
    chosen = settings.resolve(CLEAN | {"head": "none", "epochs": 1})
    train.train(chosen, tmp_path / "plain")
    with pytest.raises(ValueError, match="`model` must have a SoftTripleHead"):
        prototypes.show(tmp_path / "plain")


def test_long_class_names_are_shortened():
    assert plots.short("a/b/c") == "a/b/c"
    assert plots.short("/".join(["aquarium_fish"] * 4)) == (
        "aquarium_fish/…/aquarium_fish"
    )
