"""examples/latent.py: what it writes of a run; its figures are the package's."""

import csv
import json
from types import SimpleNamespace

import latent_pictures
import numpy as np
import pytest
import settings
import train
from matplotlib.image import imread

from keras_mpat import evaluation

NAMES = ("classes", "modes", "ratios", "precision", "confusion_clean")


@pytest.fixture(scope="module")
def run_dir(tiny, tmp_path_factory):
    """A run of seconds, with prototypes."""
    folder = tmp_path_factory.mktemp("run")
    given = tiny | {"head": "soft_triple", "prototypes_per_class": 2}
    train.train(settings.resolve(given), folder)
    return folder


def test_figures_tables_and_pictures(run_dir, run_script):
    options = "--limit 90 --neighbors 20 --count 3 --method pca --epsilon 0.2"
    done = run_script("examples/latent.py", "--run_dir", run_dir, *options.split())
    assert done.returncode == 0, done.stderr
    folder = run_dir / "latent"
    values = json.loads((folder / "latent.json").read_text())
    found = evaluation.LatentSet.load(folder / "latent.npz")
    assert values["n"] == 90 == len(found.examples) and len(found.modes) == 90
    assert "steps=20" in values["attack"] and "epsilon=0.2" in values["attack"]
    assert values["knn"]["reference"] == 200 and values["knn"]["neighbors"] == 20
    assert values["robust_accuracy"] < values["clean_accuracy"]
    assert values["knn"]["adversarial"] < values["knn"]["clean"]
    ratio = evaluation.adversarial_ratio(
        found.clean, found.y, found.adversarial, found.adversarial_predicted
    )
    assert values["ratio"] == ratio.to_dict()
    again = evaluation.retrieve(found.clean, found.y, found.clean, found.y, count=3)
    assert values["retrieval"]["clean"] == again.to_dict()
    assert np.sum(values["confusion"]["adversarial"]) == 90
    text = (folder / "latent.md").read_text(encoding="utf-8")
    assert text in done.stdout and "20 nearest of 200 training images" in text
    tables = {}
    for name in NAMES:
        with open(folder / f"{name}.csv", encoding="utf-8", newline="") as file:
            tables[name] = list(csv.reader(file))
    assert tables["classes"][0][:2] == ["classes", "counts"]
    assert [len(rows) for rows in tables.values()] == [3, 11, 3, 4, 3]
    assert (
        float(tables["ratios"][1][4]) == values["ratio"]["false_class"]["per_class"][0]
    )
    for name in ("retrieval", "map", "map_pair", "confusion"):
        assert imread(folder / f"{name}.png")[..., :3].std() > 0.03


def test_a_class_without_an_image_leaves_its_place_empty(tmp_path):
    """Of few test images a class may have none, and others be taken for it."""
    rng = np.random.default_rng(0)
    found = SimpleNamespace(
        y=np.zeros(8, int),
        adversarial_predicted=np.ones(8, int),
        clean=rng.random((8, 3)),
        adversarial=rng.random((8, 3)),
        num_classes=2,
    )
    path = tmp_path / "pair.png"
    options = {"method": "pca"}
    latent_pictures._draw_pair(path, found, None, 100, ["a", "b"], "data", options)
    assert path.stat().st_size > 2000
