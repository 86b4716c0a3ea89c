"""Pictures of the latent space: written, and each thing drawn once, as it should be."""

import numpy as np
import pytest

plots = pytest.importorskip(
    "keras_mpat.evaluation.plots", exc_type=ImportError, reason="needs matplotlib"
)

from matplotlib.colors import to_rgb  # noqa: E402

from keras_mpat.evaluation.plots.colors import COLORS  # noqa: E402


def pair(scatter):
    """Colors and places of its points."""
    return scatter.get_facecolors(), scatter.get_offsets()


def legends(figure):
    """What is written in its legends."""
    return [text.get_text() for one in figure.legends for text in one.get_texts()]


def check(path):
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert path.stat().st_size > 2000


@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_other_classes_are_framed(tmp_path, figures, channels):
    images = np.random.default_rng(0).uniform(size=(6, 8, 8, channels))
    right = [[True, False, True], [False, False, True]]
    rows = [
        plots.RetrievalRow("clean", images[0], images[1:4], right[0], "cat"),
        plots.RetrievalRow(
            "attacked", images[0], images[1:4], right[1], captions=["a", "b", "c"]
        ),
    ]
    plots.retrieval_sheet(rows, tmp_path / "sheet.png", title="nearest")
    check(tmp_path / "sheet.png")
    (figure,) = figures
    axes = [axis for axis in figure.axes if axis.images]
    assert len(axes) == 8
    widths = np.array([axis.spines["left"].get_linewidth() for axis in axes])
    framed = (widths > 2).reshape(2, 4)
    np.testing.assert_array_equal(framed[:, 1:], ~np.array(right))
    assert not framed[:, 0].any()  # the queries
    captions = [axis.get_xlabel() for axis in axes]
    assert captions == ["cat", "", "✗", "", "", "a ✗", "b ✗", "c"]
    texts = [text.get_text() for text in figure.texts]
    assert texts == ["nearest", "query", "1", "2", "3", "clean", "attacked"]


def test_points_have_the_colors_of_their_classes(tmp_path, figures):
    rng = np.random.default_rng(1)
    panels = {
        "true": [
            plots.MapLayer("clean", rng.normal(size=(20, 2)), np.arange(20) % 2),
            plots.MapLayer("prototype", np.eye(2), np.array([0, 1])),
        ],
        "false": [
            plots.MapLayer("clean", rng.normal(size=(20, 2))),
            plots.MapLayer("adversarial", np.eye(2), np.array([1, 1]), label="fooled"),
            plots.MapLayer("adversarial", np.eye(2), label="fled", color="#ff0000"),
        ],
    }
    path = tmp_path / "map.png"
    plots.latent_map(panels, path, class_names=["cat", "dog"], title="space")
    check(path)
    (figure,) = figures
    drawn = [axis.collections for axis in figure.axes]
    assert [len(layers) for layers in drawn] == [2, 3]
    clean, stars = (
        {tuple(c[:3]): tuple(p) for c, p in zip(*pair(s), strict=True)}
        for s in drawn[0]
    )
    assert len(clean) == 2 and set(clean) == set(stars)
    for row, place in enumerate(np.eye(2)):  # class 0 at (1, 0)
        assert stars[to_rgb(COLORS[row])] == tuple(place)
    gray, fooled, fled = (s.get_facecolors()[:, :3] for s in drawn[1])
    assert np.all(gray == gray[0, 0])
    np.testing.assert_allclose(fooled, [to_rgb(COLORS[1])] * 2)
    np.testing.assert_allclose(fled, [[1, 0, 0]] * 2)
    labels = legends(figure)
    assert labels == ["cat", "dog", "clean", "prototype", "fooled", "fled"]


def test_of_many_classes_the_largest_have_colors(tmp_path, figures):
    classes = np.repeat(np.arange(30), np.arange(1, 31))
    layer = plots.MapLayer("clean", np.zeros((len(classes), 2)), classes)
    plots.latent_map({"all": [layer]}, tmp_path / "map.png")
    labels = legends(figures[0])
    assert labels == [*map(str, range(20, 30)), "clean"]


@pytest.mark.parametrize("size", [3, 30])
def test_confusion_is_drawn_in_percent(tmp_path, figures, size):
    counts = np.zeros((size, size), int)
    counts[0, :2] = 30, 10
    counts[1, 2] = 7
    panels = {"clean": counts, "under attack": counts.T}
    plots.confusion_matrix(panels, tmp_path / "confusion.png")
    check(tmp_path / "confusion.png")
    first, second, _ = figures[0].axes
    shares = np.ma.filled(first.images[0].get_array(), np.nan)
    np.testing.assert_allclose(shares[0, :3], [75, 25, 0])
    np.testing.assert_allclose(shares[1, :3], [0, 0, 100])
    assert np.all(np.isnan(shares[2]))
    written = [text.get_text() for text in first.texts]
    assert written == (["75", "25", "100"] if size == 3 else [])
