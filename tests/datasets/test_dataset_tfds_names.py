"""Any image classification set of tensorflow-datasets, by its name; no network."""

import sys

import numpy as np
import pytest

from keras_mpat import datasets
from keras_mpat.datasets import tfds as tfds_module
from keras_mpat.datasets import tfds_info

tfds = pytest.importorskip("tensorflow_datasets")
FOG = "cifar10_corrupted/fog_3"


@pytest.fixture(autouse=True)
def nothing_read_yet(offline):
    tfds_module._read.cache_clear()
    yield
    tfds_module._read.cache_clear()


@pytest.fixture
def mocked(monkeypatch):
    monkeypatch.setattr(tfds.core.DatasetBuilder, "is_prepared", lambda self: True)
    with tfds.testing.mock_data(num_examples=30):
        yield


@pytest.mark.parametrize("name", ["fashion_mnist", "tfds:fashion_mnist"])
def test_a_set_is_described_before_it_is_prepared(name):
    info = datasets.info(name)
    assert info.input_shape == (28, 28, 1) and info.num_classes == 10
    assert info.class_names[5] == "Sandal"
    assert info.splits == ("train", "validation", "test") and info.sizes == {}


def test_registered_names_come_first():
    assert datasets.info("mnist").epsilon == 0.3
    assert datasets.info("tfds:mnist").epsilon == "8/255"


@pytest.mark.parametrize("name", ["fashion_mnist", "tfds:kmnist", "svhn_cropped"])
def test_mock_data_comes_through(name, mocked):
    x, y, modes = datasets.arrays(name, "train")
    assert x.shape == (27, *datasets.info(name).input_shape)
    assert x.dtype == np.float32 and 0.0 <= x.min() and 0.9 < x.max() <= 1.0
    np.testing.assert_array_equal(y, modes)
    data = datasets.load(name, "test", batch_size=20, label_map=lambda y: y % 2)
    assert [len(labels) for _, labels in data] == [20, 10]


def test_a_set_without_a_training_split(mocked, monkeypatch):
    builder = type(tfds.builder(FOG).info)
    monkeypatch.setattr(builder, "splits", {"test": _Split(30)})
    assert datasets.info(FOG).input_shape == (32, 32, 3)
    assert len(datasets.arrays(FOG, "test")[0]) == 30
    with pytest.raises(ValueError, match=r"`split` must be .*\(test\).*'train'"):
        datasets.load(FOG, "train")


def test_what_is_not_prepared_gives_the_command_that_fetches_it():
    with pytest.raises(FileNotFoundError, match=r"'kmnist'.*(\n.*){1,3}TFDS_DATA_DIR"):
        datasets.load("kmnist", "train")


def test_mixed_sizes_are_refused_with_the_fix(mocked):
    with pytest.raises(ValueError, match=r"`image_size` must be .*'cats_vs_dogs'"):
        datasets.load("cats_vs_dogs", "train")
    x, y, _ = datasets.arrays("cats_vs_dogs", "train", image_size=(6, 9))
    assert x.shape == (27, 6, 9, 3) and y.max() <= 1


@pytest.mark.parametrize("name", ["imdb_reviews", "tfds:coco", "celeb_a"])
def test_sets_of_other_kinds_are_refused(name):
    with pytest.raises(ValueError, match="`name` must be an image classification set"):
        datasets.load(name, "train")


@pytest.mark.parametrize("name", ["tfds:no_such_set", "tfds:mnist:9.9.9"])
def test_names_that_the_library_does_not_know(name):
    with pytest.raises(ValueError, match=f"must be a set of .*name='{name}'"):
        datasets.load(name, "train")


def test_the_nearest_name_may_be_the_library_s():
    with pytest.raises(ValueError, match="Did you mean 'fashion_mnist'"):
        datasets.load("fashion_minst", "train")


class _Split:
    def __init__(self, count):
        self.num_examples = count


@pytest.mark.parametrize(
    "counts, parts, sizes",
    [
        ({"train": 100}, ("train",), {"train": 90, "validation": 10}),
        (
            {"train": 100, "validation": 7},
            ("train", "test"),
            {"train": 90, "validation": 10, "test": 7},
        ),
        (
            {"train": 100, "validation": 7, "test": 8},
            ("train", "test"),
            {"train": 90, "validation": 10, "test": 8},
        ),
    ],
)
def test_parts_follow_the_published_splits(counts, parts, sizes, monkeypatch):
    splits = {name: _Split(count) for name, count in counts.items()}
    builder = tfds.builder("kmnist")
    monkeypatch.setattr(type(builder.info), "splits", splits)
    info = tfds_info.describe("kmnist")
    assert info.parts == parts and info.sizes == sizes
    test = "validation" if "test" not in counts and len(counts) > 1 else "test"
    assert info.loader.test_split == test


def test_without_the_library_only_registered_names_are_known(monkeypatch):
    def missing():
        raise ImportError("none")

    monkeypatch.setattr(tfds_module, "import_library", missing)
    with pytest.raises(ValueError, match="'fashion_mnist'.*register"):
        datasets.info("fashion_mnist")
    with pytest.raises(ImportError):
        datasets.info("tfds:fashion_mnist")


@pytest.mark.parametrize("name", ["MNIST", "Cifar10", "svhn-cropped"])
def test_another_spelling_does_not_lose_what_the_package_adds(name):
    twin = name.lower().replace("-", "_")
    message = f"'{name}'. Did you mean '{twin}'. For the plain set: 'tfds:{twin}'"
    with pytest.raises(ValueError, match=message):
        datasets.info(name)
    with pytest.raises(ValueError, match="Did you mean 'cifar10_2'.$"):
        datasets.info("CIFAR10_2")
    assert datasets.info("TFDS:mnist").epsilon == "8/255"


@pytest.mark.parametrize(
    "name, guess",
    [("tfds:mnits", "tfds:mnist"), ("tfds:fashion_minst/x", "tfds:fashion_mnist")],
)
def test_the_nearest_of_the_library_alone(name, guess):
    message = f"must be a set of .*name='{name}'.*Did you mean '{guess}'"
    with pytest.raises(ValueError, match=message):
        datasets.load(name, "train")


@pytest.mark.parametrize("name", ["tfds:", "folder:", "FOLDER:", None, 10, ["mnist"]])
def test_what_is_no_name_gets_no_guess(name):
    with pytest.raises(ValueError, match="`name` must be one of .* Add one") as caught:
        datasets.info(name)
    assert "Did you mean" not in str(caught.value) and len(str(caught.value)) <= 450


@pytest.mark.parametrize(
    "name", ["tfds:huggingface:mnist", "tfds:a:b", "tfds:a/b/c", "tfds:/", "tfds: "]
)
def test_names_that_cannot_be_read_here(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ValueError, match="`name` must be a set of .* Received: ") as e:
        datasets.info(name)
    assert "\n" not in str(e.value) and len(str(e.value)) <= 450
