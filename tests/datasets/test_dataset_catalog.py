"""The registry, the descriptions in it, and label maps."""

import ast
import dataclasses
import pathlib

import numpy as np
import pytest

from keras_mpat import datasets
from keras_mpat.datasets import tfds_info
from keras_mpat.datasets.labels import label_table

PACKAGE = pathlib.Path(datasets.__file__).parent


def noise_images(part, *, data_dir=None, download=False):
    count = {"train": 40, "test": 10}[part]
    images = np.random.default_rng(count).integers(0, 256, (count, 4, 5, 3), "uint8")
    return images, np.arange(count) % 4


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(
        "keras_mpat.datasets.catalog._REGISTRY",
        dict(datasets.catalog._REGISTRY),
    )


def shapes(**changes):
    fields = dict(
        name="shapes",
        input_shape=(4, 5, 3),
        class_names=("round", "angular"),
        mode_names=("circle", "ellipse", "square", "triangle"),
        label_map=(0, 0, 1, 1),
        loader=noise_images,
    )
    return datasets.DatasetInfo(**{**fields, **changes})


def test_builtin_names():
    expected = "digits digits_2 mnist mnist_2 cifar10 cifar10_2 cifar100 cifar100_10"
    expected = [*expected.split(), "svhn_cropped", "tiny_imagenet"]
    assert list(datasets.names()) == expected


@pytest.mark.parametrize("name", ["digits", "mnist", "cifar10"])
def test_two_class_variant_puts_five_modes_in_each_class(name):
    fine, coarse = datasets.info(name), datasets.info(f"{name}_2")
    assert (fine.num_classes, fine.num_modes) == (10, 10)
    assert (coarse.num_classes, coarse.num_modes) == (2, 10)
    assert coarse.label_map == (0, 0, 0, 0, 0, 1, 1, 1, 1, 1)
    assert coarse.mode_names == fine.class_names
    assert "/".join(coarse.class_names) == "/".join(fine.class_names)
    same = ("input_shape", "epsilon", "mean", "std", "augmentation", "sizes")
    assert all(getattr(fine, field) == getattr(coarse, field) for field in same)


def test_cifar100_10_puts_ten_alphabetical_labels_in_each_class():
    fine, coarse = datasets.info("cifar100"), datasets.info("cifar100_10")
    assert list(fine.class_names) == sorted(set(fine.class_names))
    assert (fine.num_classes, coarse.num_classes, coarse.num_modes) == (100, 10, 100)
    assert coarse.label_map == tuple(mode // 10 for mode in range(100))
    assert coarse.class_names[0].split("/") == list(fine.class_names[:10])
    # 500 training images of each fine label: 5 000 of each class.
    assert np.bincount(coarse.label_map).tolist() == [10] * 10
    assert coarse.sizes["train"] + coarse.sizes["validation"] == 100 * 500


def test_constants():
    assert datasets.info("mnist").epsilon == 0.3
    assert datasets.info("digits").epsilon == 0.1
    assert datasets.info("cifar10_2").epsilon == "8/255"
    assert datasets.info("cifar10").mean == (0.4914, 0.4822, 0.4465)
    assert datasets.info("cifar10").std == (0.2471, 0.2435, 0.2616)
    assert (datasets.info("mnist").mean, datasets.info("mnist").std) == (
        (0.1307,),
        (0.3081,),
    )
    assert datasets.info("cifar10").augmentation == datasets.PadCropFlip(padding=4)
    assert datasets.info("mnist").augmentation is None
    assert datasets.info("svhn_cropped").augmentation is None


def test_info_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        datasets.info("digits").epsilon = 1.0


def test_unknown_name_lists_the_names_and_the_way_to_add_one():
    with pytest.raises(ValueError, match=r"digits_2, mnist.*'fashion'.*register\("):
        datasets.info("fashion")


@pytest.mark.parametrize(
    "name, nearest",
    [("cifar_10", "cifar10"), ("minst", "mnist"), ("tiny-imagenet", "tiny_imagenet")],
)
def test_an_unknown_name_gives_the_nearest(name, nearest, monkeypatch):
    monkeypatch.setattr(tfds_info, "knows", lambda name, data_dir: False)
    monkeypatch.setattr(tfds_info, "names", lambda: ["fashion_mnist"])
    with pytest.raises(ValueError, match=f"Did you mean '{nearest}'"):
        datasets.load(name, "train")
    with pytest.raises(ValueError, match="Did you mean 'fashion_mnist'"):
        datasets.info("fashionmnist")


def test_a_name_like_no_other_gets_no_guess(monkeypatch):
    monkeypatch.setattr(tfds_info, "knows", lambda name, data_dir: False)
    monkeypatch.setattr(tfds_info, "names", lambda: [])
    with pytest.raises(ValueError, match="Received: name='zzzzzz'. Add one"):
        datasets.info("zzzzzz")


def test_registered_images_keep_their_size():
    assert datasets.info("mnist", image_size=(28, 28)) is datasets.info("mnist")
    with pytest.raises(ValueError, match=r"`image_size` must be None.*28x28"):
        datasets.load("mnist", "train", image_size=(32, 32))


@pytest.mark.parametrize("size", [32, (32,), (0, 8), (8.0, 8), "32"])
def test_wrong_image_sizes(size):
    with pytest.raises(ValueError, match=r"`image_size` must be \(height, width\)"):
        datasets.info("mnist", image_size=size)


def test_a_lazy_set_is_described_when_it_is_asked_for(registry):
    asked = []

    def describe(*, data_dir, image_size):
        asked.append((data_dir, image_size))
        return shapes(name="lazy")

    datasets.register(datasets.LazyInfo("lazy", describe))
    assert asked == [] and "lazy" in datasets.names()
    assert len(datasets.arrays("lazy", "test", data_dir="here")[0]) == 10
    assert datasets.info("lazy", image_size=(4, 5)).name == "lazy"
    assert asked == [("here", None), (None, (4, 5))]


def test_a_registered_set_loads_like_any_other(registry):
    datasets.register(shapes())
    x, y, modes = datasets.arrays("shapes", "train")
    assert x.dtype == np.float32 and x.shape == (36, 4, 5, 3)
    assert y.dtype == np.int32 and np.array_equal(y, modes // 2)
    images, labels = next(iter(datasets.load("shapes", "test", batch_size=4)))
    assert images.shape == (4, 4, 5, 3)
    np.testing.assert_array_equal(labels, [0, 0, 1, 1])
    expected = noise_images("test")[0][:4].astype("float32") / np.float32(255)
    np.testing.assert_array_equal(images, expected)


def test_a_taken_name_is_refused_unless_replaced(registry):
    datasets.register(shapes())
    with pytest.raises(ValueError, match="replace=True"):
        datasets.register(shapes(epsilon=0.2))
    datasets.register(shapes(epsilon=0.2), replace=True)
    assert datasets.info("shapes").epsilon == 0.2


def test_a_loader_that_does_not_fit_its_description_is_named(registry):
    datasets.register(shapes(input_shape=(5, 4, 3)))
    with pytest.raises(ValueError, match=r"`loader` of 'shapes'.*\(4, 5, 3\)"):
        datasets.arrays("shapes", "train")
    with pytest.raises(ValueError, match="labels up to 3"):
        few = ("circle", "square", "triangle")
        datasets.register(shapes(mode_names=few, label_map=(0, 1, 1)), replace=True)
        datasets.arrays("shapes", "test")


def test_class_names_must_match_the_label_map():
    with pytest.raises(ValueError, match=r"`class_names`.*\(2\)"):
        shapes(class_names=("a", "b", "c"))


def test_label_map_as_function_or_sequence():
    halves = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]
    np.testing.assert_array_equal(label_table(lambda y: y // 5, 10), halves)
    np.testing.assert_array_equal(label_table(np.array(halves), 10), halves)
    np.testing.assert_array_equal(label_table(None, 3), [0, 1, 2])
    parity = datasets.arrays("digits_2", "test", label_map=lambda y: y % 2)
    np.testing.assert_array_equal(parity[1], parity[2] % 2)


@pytest.mark.parametrize(
    "label_map, message",
    [
        ([0, 1], "one class for each of the 10"),
        (lambda y: y / 5, "integer class ids"),
        (lambda y: 0, "two at least"),
        (lambda y: 2 * (y // 5), "without a gap"),
        (lambda y: y // 5 - 1, "without a gap"),
    ],
)
def test_wrong_label_maps(label_map, message):
    with pytest.raises(ValueError, match=message):
        datasets.load("digits", "train", label_map=label_map)


def test_heavy_imports_stay_inside_functions():
    for path in PACKAGE.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            names = [alias.name for alias in getattr(node, "names", [])]
            names.append(getattr(node, "module", None) or "")
            if isinstance(node, ast.Import | ast.ImportFrom):
                roots = {name.split(".")[0] for name in names}
                heavy = {"PIL", "tensorflow", "tensorflow_datasets", "sklearn"}
                assert not roots & heavy, path.name
