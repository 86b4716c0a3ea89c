"""Reports of few images, of one class, of a radius per feature, on data seen before."""

import dataclasses
import sys

import numpy as np
import pytest

import keras_mpat as mpat
from keras_mpat.evaluation.latent import LatentSet
from keras_mpat.evaluation.plots import confusion_matrix, inline
from keras_mpat.evaluation.reporting import findings as findings_module
from keras_mpat.evaluation.reporting.data import checked_data
from keras_mpat.evaluation.reporting.findings import Findings
from keras_mpat.evaluation.reporting.runs import Run
from keras_mpat.evaluation.reporting.sections import (
    attacks,
    classes,
    curves,
    detection,
    latent,
)
from keras_mpat.evaluation.reporting.sections.verdict import lead

BALL = mpat.Linf(0.1)


@pytest.fixture
def one(runs, images):
    """A function: the run without a head, looked at on one image of class 0."""

    def make(data=None, ball=BALL, size=1):
        train = images["train"]
        data = data or {"test": (images["test"][0][:size], [0] * size), "train": train}
        model = runs[1] / "classifier.keras"
        data = checked_data(data, num_classes=2)
        found = Findings(runs[1], model, data, ball, verbose=False)
        zeros = np.zeros(size, "int64")
        found.__dict__["latent"] = LatentSet(
            clean=np.ones((size, 16)),
            adversarial=np.ones((size, 16)),
            y=zeros,
            clean_predicted=zeros,
            adversarial_predicted=zeros + 1,
            num_classes=2,
        )
        return Run(runs[1], "x", model, 2, findings=found), data

    return make


def test_a_class_without_images_may_be_predicted(one):
    run, data = one()
    data = dataclasses.replace(data, class_names=["0", "1", "of another run"])
    figure = classes.confusion_figure(run, data)
    assert figure.data.rows == [["clean", "0", "0", 1], ["attacked", "0", "1", 1]]


def test_names_are_asked_for_all_classes_of_the_models(runs, images, monkeypatch):
    seen = []
    module = sys.modules[mpat.evaluation.report.__module__]
    monkeypatch.setattr(module, "CHAPTERS", (lambda _, data: seen.append(data),))
    monkeypatch.setattr(module, "_write", lambda *_: None)
    test = images["test"][0][:2], [0, 0]
    mpat.evaluation.report(runs[1], test, verbose=False)
    assert seen[0].class_names == ["0", "1"]


def test_two_points_make_no_map(one):
    run, data = one()
    assert run.findings.places is None
    section = latent.section([run], data)
    assert section.parts[-1] == [] and len(section.tables) == 1


def test_detection_says_why_there_is_none(one, images):
    x, y = images["train"]
    test = images["test"][0][:1], [0]
    run, data = one({"test": test, "train": (x[y == 1], y[y == 1])})
    section = detection.section([run], data)
    (text,) = section.parts
    assert text.startswith("x: no Gaussians can be fitted. `y` must hold at least two")


def test_detection_without_a_right_answer_says_so(one, monkeypatch):
    run, data = one()
    found = run.findings.latent
    found.clean_predicted[:] = 1
    monkeypatch.setattr(Findings, "attacked", lambda *_, **__: found)
    (text,) = detection.section([run], data).parts
    assert text.startswith("x: there is no curve. `clean` must hold right answers")


def test_a_radius_per_feature_has_no_curve_against_epsilon(one, monkeypatch):
    monkeypatch.setattr(curves, "curve_figure", lambda _, parameter: parameter)
    monkeypatch.setattr(curves, "surface_figure", lambda _: "surface")
    run, data = one(ball=mpat.Linf(np.full((8, 8, 1), 0.1)))
    assert curves.section([run], data).parts == [["steps", "restarts"], "surface"]
    run, data = one()
    assert "epsilon" in curves.section([run], data).parts[0]


def test_work_on_another_ball_or_other_labels_lies_elsewhere(one, images, monkeypatch):
    folders = []
    monkeypatch.setattr(
        findings_module,
        "accuracy_curve",
        lambda *_, state_dir, **__: folders.append(state_dir),
    )
    test = images["test"][0][:1]
    for run, _ in (one(), one(ball=mpat.Linf(0.2)), one((test, [1]))):
        run.findings.curve("steps")
    assert len(set(folders)) == 3


def test_the_card_tells_what_the_data_showed(one):
    run, data = one(size=4)
    text = "0.00 (0.0–49.0) % of 4 images correct under PGD-20 alone in Linf 0.1"
    assert text in lead([run])
    assert "under PGD-20 in Linf 0.1, the attack" in classes.section([run], data).text
    bare = Run(run.folder, "x", run.model, 2)
    assert "nothing is known of its robustness" in lead([bare])
    assert attacks.section([bare], None) is None


def test_dollars_in_a_name_are_no_formula():
    """Matplotlib reads what stands between two of them, and may fail on it."""

    def draw(file):
        confusion_matrix({"$x_$": np.eye(2)}, file, class_names=[r"$\frac$", "$5_$"])

    drawn = inline.svg(draw, name="x")
    assert r"$\frac$" in drawn and "<dc:date>" not in drawn
    assert inline.png(draw).startswith("data:image/png")


def test_pictures_need_no_evaluation(one, monkeypatch):
    run, data = one()
    monkeypatch.setattr(attacks, "picture_figure", lambda *_: "picture")
    assert attacks.section([run], data).parts == [["picture"]]
