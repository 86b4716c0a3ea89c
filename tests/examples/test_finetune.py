"""examples/finetune.py in small: every training once, then everything from disk."""

import finetune
import numpy as np
import pytest
from matplotlib.image import imread
from run_directory import RunDirectory


@pytest.mark.slow
def test_finetune_in_small(tmp_path, monkeypatch):
    recipe = finetune.Recipe("digits_2", None, 256)
    arguments = {"clean": 8, "tuned": 4, "full": 2}
    run = RunDirectory(tmp_path / "run", arguments)
    run.update(settings=arguments)
    rows = finetune.finetune(recipe, run, **arguments)
    points = finetune.curve(recipe, run)
    assert len(rows) == 4 and len(points) == len(finetune.SHARES)
    (_, clean, _), (_, tuned_clean, tuned) = list(rows.values())[:2]
    assert min(clean, tuned_clean) > 0.8
    # The curve begins at the clean net and ends at the robust one.
    assert points[0][0] == pytest.approx(clean)
    assert points[-1][0] == pytest.approx(tuned_clean)
    assert points[-1][1] > points[0][1]
    assert tuned > points[0][1]

    def never(*arguments, **options):
        raise RuntimeError("trained again")

    monkeypatch.setattr(finetune.Recipe, "train", never)
    monkeypatch.setattr(finetune.Recipe, "scores", never)
    again = RunDirectory(tmp_path / "run", arguments)
    assert finetune.finetune(recipe, again, **arguments) == rows
    assert np.allclose(finetune.curve(recipe, again), points)
    with pytest.raises(ValueError, match="made with other flags"):
        RunDirectory(tmp_path / "run", arguments | {"full": 70})
    finetune.plots.trade_off(finetune.SHARES, points, tmp_path / "curve.png")
    assert imread(tmp_path / "curve.png").std() > 0


def test_the_first_stage_trains_the_last_layer_only(monkeypatch):
    recipe = finetune.Recipe("digits_2", None, 128)
    seen = []

    def record(self, classifier, strategy, *, epochs, rate):
        names = {layer.name for layer in classifier.layers if layer.trainable}
        seen.append((epochs, names, strategy.warmup_epochs))

    monkeypatch.setattr(finetune.Recipe, "train", record)
    classifier = recipe.robust_from(recipe.net(), epochs=4)
    (first, last_layer, _), (rest, all_layers, warmup) = seen
    assert (first, rest, warmup) == (1, 3, 1)
    assert last_layer == {"logits"}
    assert all_layers == {layer.name for layer in classifier.layers}
