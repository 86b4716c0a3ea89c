"""The README's code runs as it stands, in the order in which it is written."""

import re
from pathlib import Path

import numpy as np
import pytest

import keras_mpat as mpat

_README = Path(__file__).resolve().parent.parent / "README.md"
_BLOCK = re.compile(
    r"<!-- executed by tests/test_readme.py -->\n```python\n(.*?)```", re.DOTALL
)


def _blocks():
    return _BLOCK.findall(_README.read_text(encoding="utf-8"))


def test_every_python_block_is_marked_as_executed():
    text = _README.read_text(encoding="utf-8")
    assert len(_blocks()) == text.count("```python") >= 5


def test_quickstart_is_short_and_gives_a_robust_classifier(tmp_path, monkeypatch):
    quickstart = _blocks()[0]
    assert len([line for line in quickstart.splitlines() if line.strip()]) <= 15
    monkeypatch.chdir(tmp_path)
    scope = {}
    exec(quickstart, scope)
    assert scope["result"].clean_accuracy > 0.93
    assert scope["result"].robust_accuracy > 0.7
    assert (tmp_path / "robust.keras").stat().st_size > 0


@pytest.fixture(scope="module")
def recipes(tmp_path_factory):
    """The names that the recipes define."""
    scope = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("recipes"))
        for block in _blocks()[1:]:
            exec(block, scope)
    return scope


def test_a_survivor_has_done_its_epochs(recipes):
    assert len(recipes["robust"].history.epoch) == 3


def test_recipe_attack_stays_in_the_ball(recipes):
    x = np.random.default_rng(0).random((4, 8, 8, 1), "float32")
    attack = recipes["strategy"].attack
    x_adv = np.asarray(attack(lambda z: z[:, 0, 0], x, np.zeros(4, "int32")))
    assert np.abs(x_adv - x).max() <= 0.1 + 1e-6
    assert x_adv.min() >= 0 and x_adv.max() <= 1 and not np.array_equal(x_adv, x)


def test_recipe_head_strategy_and_data_set_train_together(recipes, tmp_path):
    import keras

    model = recipes["model"]
    model.compile(keras.optimizers.Adam(1e-3), metrics=["accuracy"])
    stream = mpat.datasets.load("stripes", "train", batch_size=16)
    losses = model.fit(stream, epochs=3, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    model.save(tmp_path / "recipe.keras")
    loaded = keras.models.load_model(tmp_path / "recipe.keras")
    assert loaded.strategy == model.strategy
    x, _, _ = mpat.datasets.arrays("stripes", "test")
    np.testing.assert_array_equal(
        loaded.predict(x, verbose=0), model.predict(x, verbose=0)
    )


def test_recipe_of_the_latent_space_measures(recipes):
    found = recipes["found"]
    assert found.clean.shape == found.adversarial.shape == (359, 100)
    assert recipes["r"] > 0 and recipes["twin"] > 0 and 0 <= recipes["k50"] <= 1
    assert np.all(np.diff(recipes["curve"].accuracy) <= 0)
    scores = recipes["detector"].score(found.clean)
    assert np.all(np.isfinite(scores))
