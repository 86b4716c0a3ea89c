"""The path through tensorflow-datasets, without data and without a network."""

import shlex
import sys

import numpy as np
import pytest

from keras_mpat import datasets
from keras_mpat.datasets import digits as digits_module
from keras_mpat.datasets import tfds as tfds_module

tfds = pytest.importorskip("tensorflow_datasets")


@pytest.fixture(autouse=True)
def fresh_cache(monkeypatch):
    monkeypatch.delenv("TFDS_DATA_DIR", raising=False)
    tfds_module._read.cache_clear()
    yield
    tfds_module._read.cache_clear()


@pytest.fixture
def mocked(monkeypatch):
    monkeypatch.setattr(tfds.core.DatasetBuilder, "is_prepared", lambda self: True)
    with tfds.testing.mock_data(num_examples=60):
        yield


@pytest.mark.parametrize("name", ["mnist", "mnist_2", "cifar10", "cifar10_2"])
def test_mock_data_comes_through(name, mocked):
    info = datasets.info(name)
    x, y, modes = datasets.arrays(name, "train", data_dir="anywhere")
    assert x.shape == (54, *info.input_shape) and x.dtype == np.float32
    assert 0.0 <= x.min() < 0.1 and 0.9 < x.max() <= 1.0
    np.testing.assert_array_equal(y, modes // 5 if name.endswith("_2") else modes)
    data = datasets.load(name, "test", batch_size=25, data_dir="anywhere")
    assert [len(labels) for _, labels in data] == [25, 25, 10]
    batch = np.asarray(next(iter(data))[0])
    test = datasets.arrays(name, "test", data_dir="anywhere")[0]
    np.testing.assert_array_equal(batch, test[:25])


def test_arrays_are_decoded_once_and_shared(mocked, monkeypatch):
    calls = []
    monkeypatch.setattr(
        tfds, "as_numpy", lambda d, f=tfds.as_numpy: calls.append(1) or f(d)
    )
    loader = datasets.info("mnist").loader
    images, labels = loader("train", data_dir="anywhere")
    assert datasets.info("mnist_2").loader("train", data_dir="anywhere")[0] is images
    assert len(calls) == 1
    assert not images.flags.writeable and not labels.flags.writeable
    loader("train", data_dir="elsewhere")
    assert len(calls) == 2


def test_missing_data_gives_the_command_that_fetches_it(tmp_path, mocked, monkeypatch):
    monkeypatch.setattr(tfds.core.DatasetBuilder, "is_prepared", lambda self: False)
    folder = tmp_path / "it's here"
    with pytest.raises(FileNotFoundError, match="'mnist'") as caught:
        datasets.load("mnist_2", "train", data_dir=str(folder))
    line = str(caught.value).splitlines()[1]
    python, flag, code = shlex.split(line)
    assert (python, flag) == ("python", "-c")
    asked = []

    class Builder:
        def download_and_prepare(self):
            asked.append("prepared")

    def builder(name, data_dir=None):
        asked.append((name, data_dir))
        return Builder()

    monkeypatch.setattr(tfds, "builder", builder)
    exec(code, {})
    assert asked == [("mnist", str(folder)), "prepared"]


def test_missing_data_is_found_out_without_a_network(offline):
    with pytest.raises(FileNotFoundError, match=str(offline)):
        datasets.load("cifar10", "test")


def test_download_prepares_and_the_argument_comes_before_the_environment(
    mocked, monkeypatch
):
    seen = []
    plain = tfds.builder
    monkeypatch.setattr(
        tfds, "builder", lambda n, data_dir: seen.append(data_dir) or plain(n)
    )
    monkeypatch.setattr(
        tfds.core.DatasetBuilder,
        "download_and_prepare",
        lambda self: seen.append("prepared"),
    )
    monkeypatch.setenv("TFDS_DATA_DIR", "/from/environment")
    loader = datasets.TfdsLoader("mnist")
    loader("test", data_dir="/from/argument", download=True)
    assert seen == ["/from/argument", "prepared", "/from/argument"]
    del seen[:]
    loader("test")
    assert seen == ["/from/environment"]
    del seen[:]
    monkeypatch.delenv("TFDS_DATA_DIR")
    loader("test")
    assert seen == [None]


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_datasets", None)
    with pytest.raises(ImportError, match=r'pip install "keras_mpat\[data\]"'):
        datasets.arrays("mnist", "test")
    monkeypatch.setitem(sys.modules, "sklearn", None)
    digits_module._read.cache_clear()
    with pytest.raises(ImportError, match="pip install scikit-learn"):
        datasets.arrays("digits", "test")
