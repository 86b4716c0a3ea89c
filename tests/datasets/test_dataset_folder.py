"""Folders of images: classes, trees, channels, sizes, and files that are no images."""

import os

import numpy as np
import pytest

from keras_mpat import datasets
from keras_mpat.datasets import images
from tests.datasets.trees import class_folders, pixels, write

COUNTS = {"rose": 10, "daisy": 20, "tulip": 5}


def unit(image):
    return image.astype("float32") / np.float32(255)


def test_one_tree_is_split_by_class(tmp_path):
    class_folders(tmp_path, COUNTS)
    name = f"folder:{tmp_path}"
    info = datasets.info(name)
    assert info.class_names == ("daisy", "rose", "tulip")
    assert info.input_shape == (8, 8, 3)
    assert info.splits == ("train", "validation", "test", "all")
    assert info.sizes == {"train": 25, "validation": 3, "test": 7, "all": 35}
    parts = {split: datasets.arrays(name, split) for split in info.splits}
    assert {split: len(y) for split, (_, y, _) in parts.items()} == info.sizes
    assert np.bincount(parts["test"][1]).tolist() == [4, 2, 1]
    seen = [
        {image.tobytes() for image in parts[split][0]}
        for split in ("train", "validation", "test")
    ]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 35
    # The first file of each class, then the second; classes by name.
    assert parts["all"][1].tolist() == [0, 1, 2] * 5 + [0, 1] * 5 + [0] * 10
    for place, (label, i) in {0: (1, 0), 1: (0, 0), 5: (2, 1), 34: (1, 19)}.items():
        np.testing.assert_array_equal(parts["all"][0][place], unit(pixels((label, i))))


def test_two_trees(tmp_path):
    class_folders(tmp_path / "train", {"b": 12, "a": 8})
    class_folders(tmp_path / "test", {"b": 3})
    name = f"folder:{tmp_path}"
    info = datasets.info(name)
    assert info.splits == ("train", "validation", "test")
    assert info.sizes == {"train": 18, "validation": 2, "test": 3}
    x, y, _ = datasets.arrays(name, "test")
    assert y.tolist() == [1, 1, 1]
    np.testing.assert_array_equal(x[2], unit(pixels((0, 2))))
    train = datasets.load(name, "train", batch_size=9, shuffle=True)
    assert [len(labels) for _, labels in train] == [9, 9]


def test_a_training_tree_alone(tmp_path):
    class_folders(tmp_path / "train", {"b": 12, "a": 8})
    assert datasets.info(f"folder:{tmp_path}").splits == ("train", "validation")


def test_a_relative_path_starts_from_data_dir(tmp_path, monkeypatch):
    class_folders(tmp_path / "flowers", COUNTS)
    x = datasets.arrays("folder:flowers", "all", data_dir=str(tmp_path))[0]
    monkeypatch.chdir(tmp_path)
    np.testing.assert_array_equal(datasets.arrays("folder:flowers", "all")[0], x)


def test_gray_images_have_one_channel(tmp_path):
    class_folders(tmp_path, {"a": 3, "b": 3}, channels=1)
    x, _, _ = datasets.arrays(f"folder:{tmp_path}", "all")
    assert x.shape == (6, 8, 8, 1)
    np.testing.assert_array_equal(x[0, ..., 0], unit(pixels((0, 0), channels=1)))


def test_gray_among_colors_becomes_color(tmp_path):
    class_folders(tmp_path, {"a": 3, "b": 3})
    gray = pixels(9, channels=1)
    write(tmp_path / "a" / "gray.png", gray)
    write(tmp_path / "b" / "clear.png", pixels(7), mode="RGBA")
    (tmp_path / "b" / "notes.txt").write_text("not an image")
    x, y, _ = datasets.arrays(f"folder:{tmp_path}", "all")
    assert y.tolist() == [0, 1] * 4
    np.testing.assert_array_equal(x[6], unit(np.stack([gray] * 3, axis=-1)))
    np.testing.assert_array_equal(x[7], unit(pixels(7)))


def test_mixed_sizes_are_refused_with_the_fix(tmp_path):
    class_folders(tmp_path, {"a": 3, "b": 3})
    write(tmp_path / "b" / "wide.png", pixels(1, (6, 10)))
    name = f"folder:{tmp_path}"
    message = r"`image_size` must be .*wide\.png of 6x10 beside 8x8.*\(64, 64\)"
    with pytest.raises(ValueError, match=message):
        datasets.load(name, "train")
    x, _, _ = datasets.arrays(name, "all", image_size=(4, 6))
    assert x.shape == (7, 4, 6, 3)
    assert datasets.info(name, image_size=(4, 6)).input_shape == (4, 6, 3)


def test_resizing_averages_where_it_shrinks():
    image = np.zeros((8, 8, 2), "uint8")
    image[::2] = 200
    small = images.resized(image, (2, 2))
    assert small.shape == (2, 2, 2)
    assert np.abs(small.astype(int) - 100).max() < 20
    assert images.resized(image, (8, 8)) is image


def test_a_file_that_changes_is_read_again(tmp_path):
    class_folders(tmp_path, {"a": 3, "b": 3})
    name = f"folder:{tmp_path}"
    datasets.arrays(name, "all")
    file = write(tmp_path / "a" / "000.png", pixels(99))
    os.utime(file, ns=(1, 1))
    x = datasets.arrays(name, "all")[0]
    np.testing.assert_array_equal(x[0], unit(pixels(99)))


@pytest.mark.parametrize("channels", [1, 3])
def test_tensorflow_decodes_where_pillow_is_not(tmp_path, monkeypatch, channels):
    pytest.importorskip("tensorflow")
    class_folders(tmp_path, {"a": 2, "b": 2}, channels=channels)
    smooth = np.linspace(0, 255, 64).astype("uint8").reshape(8, 8)
    smooth = smooth if channels == 1 else np.stack([smooth, smooth.T, smooth], -1)
    write(tmp_path / "b" / "photo.jpg", smooth)
    with_pillow = datasets.arrays(f"folder:{tmp_path}", "all")[0]
    monkeypatch.setattr(images, "_pillow", lambda: None)
    images._read.cache_clear()
    without = datasets.arrays(f"folder:{tmp_path}", "all")[0]
    np.testing.assert_array_equal(without, with_pillow)
    with pytest.raises(ImportError, match="pip install pillow"):
        datasets.arrays(f"folder:{tmp_path}", "all", image_size=(4, 4))


def test_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="`name` must be 'folder:'.*nowhere"):
        datasets.load(f"folder:{tmp_path}/nowhere", "train")


def test_no_classes(tmp_path):
    class_folders(tmp_path, {"only": 3})
    with pytest.raises(ValueError, match=r"one sub-folder .* per class.*\['only'\]"):
        datasets.load(f"folder:{tmp_path}", "train")


def test_a_class_without_images(tmp_path):
    class_folders(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "c").mkdir()
    with pytest.raises(FileNotFoundError, match="c` must hold images"):
        datasets.load(f"folder:{tmp_path}", "train")


def test_test_classes_that_are_not_trained_on(tmp_path):
    class_folders(tmp_path / "train", {"a": 3, "b": 3})
    class_folders(tmp_path / "test", {"a": 3, "c": 3})
    with pytest.raises(ValueError, match=r"Received: \['c'\]"):
        datasets.load(f"folder:{tmp_path}", "train")


def test_files_that_are_no_images(tmp_path):
    class_folders(tmp_path, {"a": 3, "b": 3})
    (tmp_path / "a" / "torn.png").write_bytes(b"\x89PNG torn")
    with pytest.raises(ValueError, match=r"torn\.png` must be an image"):
        datasets.load(f"folder:{tmp_path}", "train")
    deep = np.arange(64, dtype="uint16").reshape(8, 8)
    write(tmp_path / "a" / "torn.png", deep)
    with pytest.raises(ValueError, match=r"torn\.png` must be an image of 8 bits"):
        datasets.load(f"folder:{tmp_path}", "train")


@pytest.mark.parametrize("tree", ["val", "validation"])
def test_a_validation_tree_is_the_test_set_where_there_is_none(tmp_path, tree):
    class_folders(tmp_path / "train", {"b": 12, "a": 8})
    class_folders(tmp_path / tree, {"b": 3})
    name = f"folder:{tmp_path}"
    assert datasets.info(name).splits == ("train", "validation", "test")
    assert datasets.arrays(name, "test")[1].tolist() == [1, 1, 1]
    class_folders(tmp_path / "test", {"a": 2})
    assert datasets.arrays(name, "test")[1].tolist() == [0, 0]


def test_small_classes_stay_in_the_training_set(tmp_path):
    class_folders(tmp_path, {"a": 6, **dict.fromkeys("bcdef", 1)})
    _, y, _ = datasets.arrays(f"folder:{tmp_path}", "train")
    assert set(y) == {0, 1, 2, 3, 4, 5}


@pytest.mark.parametrize("tree", ["", "train"])
def test_too_few_images_for_each_class_are_refused(tmp_path, tree):
    class_folders(tmp_path / tree, dict.fromkeys("abcde", 1))
    with pytest.raises(ValueError, match="must hold enough images .* of 5 classes"):
        datasets.info(f"folder:{tmp_path}")
