"""Figures of searches: written, and with what they are meant to show."""

import math

import numpy as np
import pytest

plots = pytest.importorskip(
    "keras_mpat.evaluation.plots", exc_type=ImportError, reason="needs matplotlib"
)
PNG = b"\x89PNG\r\n\x1a\n"
Point, Curve = plots.ScoredPoint, plots.TrialCurve


def check(path):
    assert path.read_bytes().startswith(PNG)
    assert path.stat().st_size > 2000


def legend(axis):
    return [text.get_text() for text in axis.get_legend().get_texts()]


def texts(axis):
    return [text.get_text() for text in axis.texts]


def test_points_with_intervals_on_a_logarithmic_axis(tmp_path, figures):
    points = [Point(0.1, 50.0, 45.0, 56.0), Point(2.0, 60.0)]
    plots.score_points(
        {"trials": points},
        tmp_path / "points.png",
        label="λ1",
        score_label="accuracy (%)",
        log=True,
        floor=(40.0, "largest class"),
    )
    check(tmp_path / "points.png")
    (axis,) = figures[0].axes
    assert axis.get_xscale() == "log"
    assert [t.get_text() for t in axis.get_xticklabels()] == "0.1 0.2 0.5 1 2".split()
    (bars,) = axis.containers
    np.testing.assert_allclose(bars.lines[0].get_ydata(), [50, 60])
    (errors,) = bars.lines[2]
    np.testing.assert_allclose(
        [segment[:, 1] for segment in errors.get_segments()], [[45, 56], [60, 60]]
    )
    assert sorted(legend(axis)) == ["largest class", "trials"]


def test_names_are_categories_in_order_and_equal_ones_stand_apart(tmp_path, figures):
    points = [Point("3/4", 50.0), Point("3/4", 51.0), Point("10/10", 52.0)]
    path = tmp_path / "points.png"
    plots.score_points({"a": points}, path, label="K", score_label="score")
    (axis,) = figures[0].axes
    assert [t.get_text() for t in axis.get_xticklabels()] == ["3/4", "10/10"]
    first, second, third = axis.containers[0].lines[0].get_xdata()
    assert -0.3 < first < 0 < second < 0.3 and third == 1
    assert axis.get_legend() is None


def test_of_many_names_some_are_written(tmp_path, figures):
    points = [Point(f"{number}/{number}", 1.0) for number in range(100)]
    path = tmp_path / "points.png"
    plots.score_points({"a": points}, path, label="K", score_label="score")
    (axis,) = figures[0].axes
    labels = [t.get_text() for t in axis.get_xticklabels()]
    assert 5 < len(labels) <= 14
    assert labels == [f"{x:.0f}/{x:.0f}" for x in axis.get_xticks()]


@pytest.mark.parametrize("values", [[0.5], [0.001, 1000.0], [0.3, 0.31]])
def test_a_logarithmic_axis_has_ticks_for_any_range(tmp_path, figures, values):
    points = {"a": [Point(value, 1.0) for value in values]}
    path = tmp_path / "points.png"
    plots.score_points(points, path, label="x", score_label="y", log=True)
    (axis,) = figures[0].axes
    low, high = axis.get_xlim()
    assert low < min(values) and high > max(values)
    assert 1 <= len(axis.get_xticks()) <= 10
    assert all(low <= tick <= high for tick in axis.get_xticks())


@pytest.mark.parametrize(("direction", "best"), [("max", "b"), ("min", "a")])
def test_curves_by_score_and_failed_ones_gray(tmp_path, figures, direction, best):
    curves = [
        Curve("a", [1.0, 2.0, 3.0], 3.0),
        Curve("b", [1.0, math.nan, 4.0], 4.0),
        Curve("c", [2.0, math.inf], None),
        Curve("d", [], None),
    ]
    path = tmp_path / "curves.png"
    plots.trial_curves(curves, path, label="score", direction=direction)
    check(path)
    (axis,) = figures[0].axes
    worst = "a" if best == "b" else "b"
    assert sorted(legend(axis)) == sorted(
        [f"best: {best}", f"worst: {worst}", "no score"]
    )
    a, b, c, end, _ = axis.get_lines()
    assert (a.get_linewidth() > b.get_linewidth()) == (best == "a")
    assert c.get_linestyle() == "--" and a.get_linestyle() == "-"
    assert a.get_color() != b.get_color()
    np.testing.assert_array_equal(c.get_ydata(), [2, np.nan])
    assert end.get_marker() == "x" and list(end.get_xdata()) == [1]


def test_only_failed_curves_can_be_drawn(tmp_path, figures):
    path = tmp_path / "curves.png"
    plots.trial_curves([Curve("a", [math.nan], None)], path, label="score")
    check(path)
    assert legend(figures[0].axes[0]) == ["no score"]


@pytest.mark.parametrize("direction", ["max", "min"])
def test_the_best_score_is_orange_and_none_is_gray(direction):
    low, high, none = plots.tuning.score_colors([1.0, 2.0, None], direction)
    best, worst = (high, low) if direction == "max" else (low, high)
    assert best[0] > 0.8 > best[2] and worst[2] > worst[0]
    assert none == "#8a8f96"
    assert plots.tuning.score_colors([1.0, 1.0], direction)[0] == pytest.approx(best)


def test_parallel_coordinates_place_numbers_names_and_gaps(tmp_path, figures):
    dimensions = [
        plots.Dimension("learning_rate", [0.001, 0.01, 0.1]),
        plots.Dimension("momentum", [0.5, None, 0.9]),
        plots.Dimension("$head$", ["b", "a", None], ["a", "b"]),
    ]
    path = tmp_path / "parallel.png"
    plots.parallel_coordinates(dimensions, [1.0, None, 3.0], path, label="score")
    check(path)
    (axis,) = figures[0].axes
    steps = [line for line in axis.get_lines() if line.get_linewidth() > 1]
    steps = [line for line in steps if line.get_marker() == "None"]
    assert len(steps) == 3 + 2 + 3  # the failed trial does not reach the score
    assert sum(line.get_linestyle() == "--" for line in steps) == 2
    first = [line.get_xdata() for line in steps[:3]]
    np.testing.assert_allclose(first, [[0, 0.14], [0.14, 1], [1, 0]])
    np.testing.assert_allclose(steps[3].get_xdata(), [0.5, 0])  # log; without a value
    assert max(line.get_linewidth() for line in steps[5:]) > 2  # the best is thick
    assert "–" in texts(axis) and "learning_rate" in texts(axis)
    crosses = [line for line in axis.get_lines() if line.get_marker() == "x"]
    assert [line.get_color() for line in crosses] == ["#8a8f96"]


MANY = [str(number) for number in range(30)]


@pytest.mark.parametrize(
    ("dimension", "scores"),
    [
        (plots.Dimension("only", [2.0]), [0.5]),
        (plots.Dimension("equal", [1, 1]), [1, 1]),
        (plots.Dimension("one name", ["x", "x"], ["x"]), [1, 2]),
        (plots.Dimension("never", [None, None]), [0.1, None]),
        (plots.Dimension("many names", MANY, MANY), list(range(30))),
        (plots.Dimension("все потеряны", [1.0, 2.0]), [None, None]),
        (plots.Dimension("深さ" * 40, [-1.0, 2.0]), [0.1, 0.2]),
    ],
)
def test_parallel_coordinates_of_odd_searches(tmp_path, figures, dimension, scores):
    path = tmp_path / "parallel.png"
    plots.parallel_coordinates(
        [dimension], scores, path, label="score", direction="min"
    )
    check(path)
    for line in figures[0].axes[0].get_lines():
        assert np.all(np.isfinite(line.get_xydata()))
        assert np.all(line.get_xdata() >= 0) and np.all(line.get_xdata() <= 1)


def test_importance_bars_from_the_top(tmp_path, figures):
    path = tmp_path / "bars.png"
    drops = {"head_weight": (0.8, 0.1), "K": (-0.01, 0.0)}
    plots.importance_bars(drops, path, label="fall of R²")
    check(path)
    (axis,) = figures[0].axes
    assert [t.get_text() for t in axis.get_yticklabels()] == ["head_weight", "K"]
    assert [bar.get_width() for bar in axis.patches] == [0.8, -0.01]
    assert axis.yaxis_inverted()
