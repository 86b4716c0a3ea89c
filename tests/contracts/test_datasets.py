"""What every data set promises. Rows whose files are not prepared here skip."""

import os
from pathlib import Path

import numpy as np
import pytest

from keras_mpat import datasets
from keras_mpat.datasets.sets import BUILTIN
from tests.conftest import REPOSITORY
from tests.contracts.datasets_table import DATASETS

# Sets of which a folder may hold a part of the training images.
PARTLY = ("cifar100", "cifar100_10")


@pytest.fixture(params=DATASETS.items(), ids=DATASETS.keys())
def prepared(request):
    """(name, keyword arguments that find its files)."""
    name, files = request.param
    if files is None:
        return name, {}
    where = {"data_dir": str(request.getfixturevalue(files))}
    try:
        datasets.arrays(name, "test", **where)
    except FileNotFoundError as error:
        pytest.skip(str(error).splitlines()[0])
    return name, where


@pytest.fixture
def prepared_by_tfds(shared_data):
    return shared_data


@pytest.fixture
def tiny_imagenet_tree():
    default = REPOSITORY.parent / "shared" / "data" / "tiny-imagenet-200"
    return Path(os.environ.get("TINY_IMAGENET_DIR", default))


def test_the_table_has_every_set():
    assert list(DATASETS) == [entry.name for entry in BUILTIN]


def test_arrays_are_images_in_the_unit_range_with_contiguous_labels(prepared):
    name, where = prepared
    info = datasets.info(name, **where)
    x, y, modes = datasets.arrays(name, "test", **where)
    assert x.dtype == np.float32 and x.shape[1:] == info.input_shape
    assert x.min() >= 0 and x.max() <= 1 and x.max() > 0.9
    assert len(x) == len(y) == len(modes) == info.sizes["test"]
    assert sorted(np.unique(y)) == list(range(info.num_classes))
    assert sorted(np.unique(modes)) == list(range(info.num_modes))
    table = info.label_map or tuple(range(info.num_modes))
    np.testing.assert_array_equal(y, np.asarray(table)[modes])


@pytest.mark.one_backend
def test_validation_is_a_stratified_part_of_the_training_set(prepared):
    name, where = prepared
    info = datasets.info(name, **where)
    _, _, kept = datasets.arrays(name, "train", **where)
    _, _, held = datasets.arrays(name, "validation", **where)
    if len(kept) + len(held) == info.sizes["train"] + info.sizes["validation"]:
        assert (len(kept), len(held)) == (
            info.sizes["train"],
            info.sizes["validation"],
        )
    else:  # a part of the published training set
        count = len(kept) + len(held)
        assert name in PARTLY and len(held) == min(round(0.1 * count), 5000)
    shares = [np.bincount(m, minlength=info.num_modes) / len(m) for m in (kept, held)]
    np.testing.assert_allclose(shares[0], shares[1], atol=0.5 / len(held) * 2)


def test_a_stream_continues_where_another_process_would_have_stopped(prepared):
    name, where = prepared
    options = {"batch_size": 32, "limit": 128, "seed": 3, **where}
    stream = datasets.load(name, "train", **options)
    passes = [list(stream.as_numpy_iterator()) for _ in range(3)]
    (resumed,) = [list(datasets.load(name, "train", epoch=2, **options))]
    for (x, y), (x_again, y_again) in zip(passes[2], resumed, strict=True):
        np.testing.assert_array_equal(x, x_again)
        np.testing.assert_array_equal(y, y_again)
    assert any((a[1] != b[1]).any() for a, b in zip(*passes[:2], strict=True))


def test_the_test_split_is_in_order_and_complete(prepared):
    name, where = prepared
    x, y, _ = datasets.arrays(name, "test", **where)
    batches = list(datasets.load(name, "test", batch_size=100, limit=250, **where))
    assert [len(labels) for _, labels in batches] == [100, 100, 50]
    np.testing.assert_array_equal(np.concatenate([b[0] for b in batches]), x[:250])
    np.testing.assert_array_equal(np.concatenate([b[1] for b in batches]), y[:250])
