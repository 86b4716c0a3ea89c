"""MNIST and CIFAR-10 themselves, where they are prepared; skipped elsewhere."""

import os
import pathlib

import numpy as np
import pytest

from keras_mpat import datasets

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = pathlib.Path(
    os.environ.get("TFDS_DATA_DIR", ROOT.parent / "shared" / "data" / "tfds")
)


@pytest.fixture
def prepared(request):
    name = request.param
    builder = name.removesuffix("_2")
    if not (FOLDER / builder).is_dir():
        pytest.skip(f"{builder} is not prepared in {FOLDER} (set TFDS_DATA_DIR)")
    return name


@pytest.mark.parametrize("prepared", ["mnist_2", "cifar10_2"], indirect=True)
def test_counts_splits_and_constants(prepared):
    info = datasets.info(prepared)
    where = {"data_dir": str(FOLDER)}
    test, y_test, _ = datasets.arrays(prepared, "test", **where)
    assert len(y_test) == info.sizes["test"]
    assert np.unique(y_test).tolist() == [0, 1]
    held_out = datasets.arrays(prepared, "validation", **where)
    assert len(held_out[1]) == info.sizes["validation"]
    x, y, modes = datasets.arrays(prepared, "train", **where)
    assert x.shape == (info.sizes["train"], *info.input_shape)
    classes = np.bincount(y) + np.bincount(held_out[1])
    shares = np.bincount(held_out[2]) / (np.bincount(modes) + np.bincount(held_out[2]))
    np.testing.assert_allclose(shares, 5000 / classes.sum(), atol=1 / 5000)
    if prepared == "cifar10_2":
        assert classes.tolist() == [25_000, 25_000]
        assert np.bincount(held_out[2]).tolist() == [500] * 10
    else:
        assert classes.tolist() == [30_596, 29_404]
    sample = x[:10_000].astype("float64")
    np.testing.assert_allclose(sample.mean((0, 1, 2)), info.mean, atol=5e-3)
    np.testing.assert_allclose(sample.std((0, 1, 2)), info.std, atol=5e-3)


@pytest.mark.parametrize("prepared", ["mnist"], indirect=True)
def test_splits_share_no_image(prepared):
    # Published MNIST has no image twice across these splits.
    parts = [
        {
            image.tobytes()
            for image in datasets.arrays("mnist", split, data_dir=FOLDER)[0]
        }
        for split in ("train", "validation", "test")
    ]
    assert sum(map(len, parts)) == len(set.union(*parts))


@pytest.mark.parametrize("prepared", ["cifar10"], indirect=True)
def test_cifar_training_batches_are_crops_and_mirrors(prepared):
    where = {"data_dir": str(FOLDER), "batch_size": 64, "limit": 640}
    moved, labels = next(iter(datasets.load("cifar10", "train", **where)))
    plain, same = next(iter(datasets.load("cifar10", "train", augment=False, **where)))
    np.testing.assert_array_equal(labels, same)
    moved, plain = np.asarray(moved), np.asarray(plain)
    for image, original in zip(moved[:16], plain[:16], strict=True):
        padded = np.pad(original, [(4, 4), (4, 4), (0, 0)])
        crops = [padded[i : i + 32, j : j + 32] for i in range(9) for j in range(9)]
        assert any(
            np.array_equal(image, crop) or np.array_equal(image, crop[:, ::-1])
            for crop in crops
        )
    assert (moved != plain).any(axis=(1, 2, 3)).mean() > 0.9


@pytest.mark.parametrize("prepared", ["cifar100"], indirect=True)
def test_cifar100_10_has_equal_classes_of_ten_labels(prepared):
    where = {"data_dir": str(FOLDER), "validation": 0}
    _, y, modes = datasets.arrays("cifar100_10", "train", **where)
    # Published: 5 000 of each class, 500 of each label. A folder may hold a part.
    assert np.bincount(y).tolist() == [len(y) // 10] * 10
    assert len(y) in (50_000, 25_000)
    np.testing.assert_array_equal(y, modes // 10)
    assert np.bincount(modes).tolist() == [len(y) // 100] * 100
    builder = FOLDER / "cifar100"
    (labels,) = builder.glob("*/label.labels.txt")
    names = datasets.info("cifar100").class_names
    assert labels.read_text().split() == list(names)
