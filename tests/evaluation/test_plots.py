"""Pictures of prototypes: written, with one panel for each thing to look at."""

import numpy as np
import pytest

plots = pytest.importorskip(
    "keras_mpat.evaluation.plots", exc_type=ImportError, reason="needs matplotlib"
)
PNG = b"\x89PNG\r\n\x1a\n"


def texts(figure):
    """All that is written in a figure."""
    found = [text.get_text() for text in figure.texts]
    for axis in figure.axes:
        found += [text.get_text() for text in axis.texts]
        found += [axis.get_title(), axis.get_xlabel()]
    return found


def check(path):
    assert path.read_bytes().startswith(PNG)
    assert path.stat().st_size > 2000


@pytest.mark.parametrize("channels", [1, 3])
def test_sheet(tmp_path, figures, channels):
    rng = np.random.default_rng(0)
    shares = ({"cat": 0.7, "dog": 0.3}, {"dog": 1.0}, {"car": 1.0})
    rows = [
        plots.SheetRow(
            group, f"prototype {n}", rng.uniform(size=(4 - n, 8, 8, channels)), share
        )
        for n, (group, share) in enumerate(zip("ppm", shares, strict=True))
    ]
    rows[2] = rows[2]._replace(captions=["car", "truck"])
    path = tmp_path / "sheet.png"
    plots.prototype_sheet(rows, path, title="what prototypes stand for")
    check(path)
    (figure,) = figures
    pictures = [axis for axis in figure.axes if axis.images]
    assert len(pictures) == 4 + 3 + 2
    assert len(figure.axes) == len(pictures) + 3 + 2  # bars, headings
    assert {"what prototypes stand for", "p", "m", "truck"} <= set(texts(figure))
    bars = [axis.patches for axis in figure.axes if axis.patches]
    widths = [[bar.get_width() for bar in axis] for axis in bars]
    assert widths == [[0.7, 0.3], [1.0], [1.0]]
    assert bars[0][1].get_facecolor() == bars[1][0].get_facecolor()  # dog


@pytest.mark.parametrize("classes", [2, 12])
def test_history(tmp_path, figures, classes):
    history = [[5] * classes, [4] * classes, [3] + [2] * (classes - 1)]
    path = tmp_path / "history.png"
    names = [f"class {number}" for number in range(classes)]
    plots.prototype_history(history, path, class_names=names, title="K")
    check(path)
    (axis,) = figures[0].axes
    label = axis.get_legend().get_texts()[0].get_text()
    assert label == (
        "class 0: 3 left" if classes == 2 else "mean of 12 classes: 2.1 left"
    )
    lines = [line.get_ydata() for line in axis.get_lines()]
    assert len(lines) == (classes if classes == 2 else classes + 1)
    np.testing.assert_allclose(lines[0], [5, 4, 3], atol=0.1)
    assert not np.any(lines[0] == lines[1]) or classes > 10


@pytest.mark.parametrize("classes", [2, 6])
def test_similarities(tmp_path, figures, classes):
    before = np.full((classes, 3, 3), 0.5)
    before[:, range(3), range(3)] = 1.0
    before[0, 0, 2] = before[0, 2, 0] = 0.99
    after = before.copy()
    after[0, 2], after[0, :, 2] = np.nan, np.nan
    path = tmp_path / "similarities.png"
    plots.prototype_similarities(before, after, path, threshold=0.2, title="cosines")
    check(path)
    maps = [axis for axis in figures[0].axes if axis.images]
    assert len(maps) == 2 * classes
    titles = [axis.get_title() for axis in maps]
    assert titles.count("after: K = 2") == 1
    assert titles.count("after: K = 3") == classes - 1
    assert "0\nbefore: K = 3" in titles
    framed = [len(axis.patches) for axis in maps]
    assert sum(framed) == 2  # 0 and 2 of class 0, on both sides of the diagonal
