"""TensorBoard: what is written can be read by TensorBoard itself."""

import csv

import keras
import numpy as np
import pytest
from google.protobuf import text_format

import keras_mpat as mpat
from keras_mpat.callbacks.adversarial_board import image_grid
from tests import toy

pytest.importorskip("tensorboard")


@pytest.fixture(scope="module")
def board(tmp_path_factory):
    """A folder after two epochs of a net with prototypes."""
    folder = tmp_path_factory.mktemp("board")
    x, y, modes = mpat.datasets.arrays("digits_2", "test")
    model = mpat.AdversarialModel(
        mpat.models.lenet(2, input_shape=(8, 8, 1), filters=(2, 4), units=6),
        strategy=mpat.training.PGDTraining(mpat.Linf(0.1), steps=1),
        head=mpat.SoftTripleHead(2, prototypes_per_class=3),
    )
    model.compile(optimizer="adam")
    look = mpat.callbacks.AdversarialBoard(
        folder, x[:20], y[:20], modes=modes[:20], class_names=["a\tb", "c"], every=5
    )
    model.fit(x[:64], y[:64], epochs=2, verbose=0, callbacks=[look])
    return folder / "adversarial", model, look


def test_images_and_histograms_of_the_last_epoch(board):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(board[0])).Reload()
    tags = events.Tags()["tensors"]
    assert set(tags) == {
        "clean, attacked, perturbation",
        "cosine of clean and attacked embedding",
        "prototypes: cosines within a class",
        "prototypes: cosine of examples to the nearest",
    }
    for tag in tags:
        (event,) = events.Tensors(tag)
        assert event.step == 1
    width, height, *_ = events.Tensors(tags[0])[0].tensor_proto.string_val
    assert (int(width), int(height)) == (8 * (64 + 4), 3 * (64 + 4))


def test_the_projector_reads_points_and_what_they_are(board):
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    folder, model, look = board
    text = (folder / "projector_config.pbtxt").read_text()
    (embedding,) = text_format.Parse(text, ProjectorConfig()).embeddings
    points = np.loadtxt(folder / embedding.tensor_path, delimiter="\t")
    assert points.shape == (20 + 20 + 6, 6)
    lengths = np.linalg.norm(points, axis=1)
    assert np.all((np.abs(lengths - 1) < 1e-3) | (lengths == 0))
    prototypes, _ = mpat.evaluation.prototype_points(model)
    np.testing.assert_allclose(points[40:], prototypes, atol=1e-4)
    with open(folder / embedding.metadata_path, newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [row["kind"] for row in rows] == 20 * ["clean"] + 20 * ["attacked"] + 6 * [
        "prototype"
    ]
    assert {row["class"] for row in rows} == {"a b", "c"}
    assert [row["mode"] for row in rows[:20]] == list(map(str, look.modes))


def test_looking_changes_nothing(tmp_path):
    x, y = toy.data()

    def trained(callbacks):
        keras.utils.set_random_seed(0)
        model = toy.model(mpat.training.PGDTraining(mpat.Linf(0.1), steps=1))
        model.compile(optimizer="sgd")
        model.fit(x, y, epochs=2, verbose=0, callbacks=callbacks)
        return model.get_weights()

    look = mpat.callbacks.AdversarialBoard(tmp_path, x[:8], y[:8], every=1)
    for plain, watched in zip(trained([]), trained([look]), strict=True):
        assert np.array_equal(plain, watched)


def test_a_grid_shows_the_perturbation_around_gray():
    x = np.full((2, 4, 4, 1), 100.0, "float32")
    moved = x + np.array([10.0, -10.0], "float32")[:, None, None, None]
    grid = image_grid(x, moved, mpat.Linf(20.0, bounds=(0, 200)))
    assert grid.shape == (3 * 68, 2 * 68, 1)
    clean, attacked, moves = grid[2:66], grid[70:134], grid[138:202]
    np.testing.assert_allclose(clean[:, 2:66], 0.5)
    np.testing.assert_allclose(attacked[:, 2:66], 0.55)
    np.testing.assert_allclose(attacked[:, 70:134], 0.45)
    np.testing.assert_allclose(moves[:, 2:66], 1.0)
    np.testing.assert_allclose(moves[:, 70:134], 0.0)
    assert np.all(grid[:2] == 1) and np.all(grid[:, 66:70] == 1)


def test_wrong_use_is_named_before_training(tmp_path):
    x, y = toy.data()
    with pytest.raises(ValueError, match="`every`"):
        mpat.callbacks.AdversarialBoard(tmp_path, x, y, every=0)
    look = mpat.callbacks.AdversarialBoard(tmp_path, x, y)
    net = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Dense(2)])
    net.compile(loss="mse")
    with pytest.raises(ValueError, match="must watch an AdversarialModel"):
        net.fit(x, np.zeros((len(x), 2)), callbacks=[look], verbose=0)
    model = toy.model(mpat.training.StandardTraining())
    model.compile(optimizer="sgd")
    with pytest.raises(ValueError, match="`attack` must be given"):
        model.fit(x, y, callbacks=[look], verbose=0)
    ball = mpat.Linf(0.1)
    look = mpat.callbacks.AdversarialBoard(
        tmp_path, x, y, attack=mpat.attacks.FGSM(ball)
    )
    with pytest.raises(ValueError, match="must watch an AdversarialModel"):
        net.fit(x, np.zeros((len(x), 2)), callbacks=[look], verbose=0)
    model = toy.model(mpat.training.PGDTraining(ball, steps=1))
    model.compile(optimizer="sgd")
    for given, message in (
        ((x + 9, y, None), "`x` must"),
        ((x, y[1:], None), "`y` must"),
        ((x, y, ["a"]), "`class_names` must have a name for each of"),
    ):
        *data, names = given
        look = mpat.callbacks.AdversarialBoard(tmp_path, *data, class_names=names)
        with pytest.raises(ValueError, match=message):
            model.fit(x, y, callbacks=[look], verbose=0)
