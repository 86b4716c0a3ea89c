"""Figures of curves and surfaces: written, and with what they are meant to show."""

import numpy as np
import pytest

from keras_mpat.evaluation import AccuracyCurve, LossSurface, roc_curve

plots = pytest.importorskip(
    "keras_mpat.evaluation.plots", exc_type=ImportError, reason="needs matplotlib"
)
PNG = b"\x89PNG\r\n\x1a\n"


def check(path):
    assert path.read_bytes().startswith(PNG)
    assert path.stat().st_size > 2000


def legend(axis):
    return [text.get_text() for text in axis.get_legend().get_texts()]


def test_roc_curves(tmp_path, figures):
    good = roc_curve([4.0, 3, 2, 1], [1, 1, 0, 0])
    guess = roc_curve([1.0] * 4, [1, 1, 0, 0])
    panels = {"MNIST": {"PGD": good, "adaptive": guess}, "CIFAR": {"adaptive": good}}
    plots.roc_curves(panels, tmp_path / "roc.png", title="errors")
    check(tmp_path / "roc.png")
    first, second = figures[0].axes
    assert (first.get_title(), second.get_title()) == ("MNIST", "CIFAR")
    assert legend(first) == ["PGD: AUC 1.000", "adaptive: AUC 0.500"]
    assert legend(second) == ["adaptive: AUC 1.000"]
    lines = [line for axis in (first, second) for line in axis.get_lines()]
    np.testing.assert_allclose(lines[1].get_xdata(), good.false_positive_rate)
    np.testing.assert_allclose(lines[1].get_ydata(), good.true_positive_rate)
    assert lines[2].get_color() == lines[4].get_color() != lines[1].get_color()


@pytest.mark.parametrize(
    ("parameter", "values"), [("epsilon", (0.1, 0.2)), ("steps", (1, 100))]
)
def test_accuracy_curves(tmp_path, figures, parameter, values):
    clean = np.ones(4, "bool")
    correct = np.array([[1, 1, 0, 0], [1, 1, 1, 0]], "bool")
    curve = AccuracyCurve(parameter, values, clean, correct, ("a", "b"))
    path = tmp_path / "curve.png"
    plots.accuracy_curves({"net": curve}, path, title="accuracy")
    check(path)
    (axis,) = figures[0].axes
    marks, line = axis.get_lines()
    np.testing.assert_allclose(marks.get_ydata(), [75])  # the attack alone
    if parameter == "epsilon":
        np.testing.assert_allclose(line.get_xdata(), [0, *values])
        np.testing.assert_allclose(line.get_ydata(), [100, 50, 50])
    else:
        np.testing.assert_allclose(line.get_ydata(), [50, 50])
        assert axis.get_xscale() == "log"
    assert legend(axis) == ["net: this attack alone", "net"]
    assert axis.get_xlabel().startswith(parameter)


def test_attack_gap(tmp_path, figures):
    path = tmp_path / "gap.png"
    plots.attack_gap([0.5, 0.9, 0.6], [0.4, 0.1, 0.5], path)
    check(path)
    (axis,) = figures[0].axes
    assert [text.get_text() for text in axis.texts] == [" 80.0 points "]
    assert legend(axis) == ["gap", "FGSM", "PGD"]
    np.testing.assert_allclose(axis.get_lines()[1].get_ydata(), [40, 10, 50])
    np.testing.assert_allclose(axis.get_lines()[0].get_xdata(), [1, 2, 3])


def test_loss_surfaces(tmp_path, figures):
    shares = np.linspace(-1, 1, 5)
    low = np.abs(shares)[:, None] + 0.1 * np.abs(shares)
    surfaces = {
        name: LossSurface(shares, scale * low, 0 * low, 1)
        for name, scale in (("robust", 1), ("standard", 4))
    }
    path = tmp_path / "surface.png"
    plots.loss_surfaces(surfaces, path, title="around one image")
    check(path)
    axes = figures[0].axes[:2]
    assert [axis.get_title() for axis in axes] == ["robust", "standard"]
    for axis in axes:  # the same height and color
        assert axis.get_zlim()[1] == pytest.approx(4 * low.max(), rel=0.05)
        assert axis.collections[0].get_clim() == (0, 4 * low.max())
