"""The page as a whole: what stands on it, and that its figures are right."""

import base64
import csv
import io
import math
import re

import numpy as np
import pytest

from keras_mpat.attacks import PGD
from keras_mpat.evaluation import RobustnessResult, knn_accuracy, latent_set, report
from keras_mpat.evaluation.embeddings import embeddings
from keras_mpat.evaluation.loading import training_model
from tests.evaluation.reporting.run_folders import BALL


def tables(text: str) -> dict[str, list[list[str]]]:
    """The CSV files inside a page, by name."""
    pattern = r'base64,([A-Za-z0-9+/=]+)" download="([^"]+)\.csv"'
    return {
        name: list(csv.reader(io.StringIO(base64.b64decode(data).decode())))
        for data, name in re.findall(pattern, text)
    }


@pytest.fixture(scope="module")
def text(page) -> str:
    """The page."""
    return page.read_text(encoding="utf-8")


def test_every_chapter_is_there(text):
    found = re.findall(r'<h2 id="(\w+)">', text)
    assert found == [
        "training",
        "attacks",
        "curves",
        "classes",
        "latent",
        "retrieval",
        "detection",
        "prototypes",
    ]


def test_nothing_is_fetched_and_nothing_of_a_user_is_markup(text):
    addresses = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert all(a.startswith(("data:", "#")) for a in addresses)
    assert "<b>3" not in text and "&lt;b&gt;3" in text
    assert "<script>mpat" not in text and "&lt;script&gt;mpat" in text
    assert len(re.findall("<script", text)) == 1


def test_every_csv_holds_finite_rows_of_equal_length(text):
    found = tables(text)
    assert len(found) > 20
    for name, rows in found.items():
        assert len(rows) > 1, name
        assert {len(row) for row in rows} == {len(rows[0])}, name
        for cell in sum(rows[1:], []):
            try:
                assert math.isfinite(float(cell)), (name, cell)
            except ValueError:
                assert cell not in ("nan", "inf"), name


def test_the_verdict_is_that_of_the_evaluation(text, runs):
    result = RobustnessResult.load(next(runs[1].glob("evaluation*.json")))
    assert f"{100 * result.robust_accuracy:.2f} %" in text
    assert text.count("Gradient attacks alone") == 2
    assert text.count("not audited") >= 2
    rows = {row[0]: row for row in tables(text)["attacks"]}
    assert float(rows["FGSM"][2]) == 100 * result.robust_accuracy
    assert float(rows["none"][2]) == 100 * result.clean_accuracy


def test_neighbors_and_classes_recomputed(text, runs, images):
    x, y, _ = images["test"]
    model = training_model(runs[0] / "model.keras")
    found = latent_set(model, x, y, PGD(BALL, steps=20), verbose=False)
    x_train, y_train = images["train"]
    reference = embeddings(model, x_train)
    rows = tables(text)
    latent = rows["latent"][1]
    for column, queries in ((4, found.clean), (5, found.adversarial)):
        share = knn_accuracy(reference, y_train, queries, y, verbose=False)
        assert float(latent[column]) == pytest.approx(100 * share)
    for label in (0, 1):
        own = y == label
        assert int(rows["classes"][1 + label][1]) == own.sum()
        attacked = 100 * np.mean(found.robust[own])
        assert float(rows["classes"][1 + label][3]) == pytest.approx(attacked)


def test_markdown_and_latex_have_the_same_figures(page, text):
    found = tables(text)["latent"][1]
    for suffix in (".md", ".tex"):
        other = page.with_suffix(suffix).read_text(encoding="utf-8")
        assert f"{float(found[4]):.2f}" in other
        assert "plain" in other


def test_without_data_only_the_folder_is_told(runs, tmp_path):
    path = report(runs[0], path=tmp_path / "new" / "small.html", verbose=False)
    text = path.read_text(encoding="utf-8")
    assert re.findall(r'<h2 id="(\w+)">', text) == ["training", "attacks", "prototypes"]


def test_equal_names_are_told_apart(runs, tmp_path):
    path = report(runs[1], compare=[runs[1]], path=tmp_path / "a.html", verbose=False)
    assert "<h3>plain (2)</h3>" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"data": {"train": ()}}, "`data` must hold test images"),
        ({"data": (np.zeros((2, 8, 8, 1)),)}, "Received: test is a tuple of 1"),
        ({"data": (np.zeros((2, 8, 8, 1)), [0])}, "as many labels as images"),
        ({"data": (np.zeros((2, 8, 8, 1)), [0.5, 1])}, "must hold integer labels"),
        ({"data": (np.zeros((2, 9, 9, 1)), [0, 1])}, "`x` must have the shape"),
        ({"class_names": ["one"]}, "`class_names` must have a name for each of 2"),
        ({"path": "page.pdf"}, "`path` must end in .html"),
        ({"batch_size": 0}, "`batch_size`"),
        ({"seed": -1}, "`seed`"),
        ({"verbose": 1}, "`verbose`"),
        ({"threat_model": 0.1}, "`threat_model`"),
        ({"compare": ["nowhere"]}, "`run_dir` must be a folder that holds"),
    ],
)
def test_wrong_arguments_are_named(runs, images, given, message, tmp_path):
    given = {"data": images, "path": tmp_path / "x.html", "verbose": False} | given
    with pytest.raises(ValueError, match=message):
        report(runs[0], **given)
    assert not list(tmp_path.iterdir())
