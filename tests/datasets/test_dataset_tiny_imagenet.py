"""Tiny ImageNet: ids, names, the official validation set as test set, missing files."""

import os
import pathlib

import numpy as np
import pytest

from keras_mpat import datasets
from tests.datasets.trees import pixels, write

WNIDS = ["n03", "n01", "n02"]
ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = pathlib.Path(
    os.environ.get(
        "TINY_IMAGENET_DIR", ROOT.parent / "shared" / "data" / "tiny-imagenet-200"
    )
)


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.delenv("TINY_IMAGENET_DIR", raising=False)


@pytest.fixture
def tree(tmp_path):
    """Three classes of ten flat images, whose shade tells class and index."""
    root = tmp_path / "tiny-imagenet-200"
    root.mkdir()
    (root / "wnids.txt").write_text("\n".join(WNIDS) + "\n")
    words = "n00\tentity\nn01\tgoldfish, Carassius auratus\nn02\tcrane\nn03\tcrane\n"
    (root / "words.txt").write_text(words)
    for wnid in WNIDS:
        for i in range(10):
            save(root / "train" / wnid / "images" / f"{wnid}_{i}.JPEG", wnid, i)
    rows = []
    for i, wnid in enumerate(["n02", "n09", "n03", "n01", "n02"]):
        rows.append(f"val_{i}.JPEG\t{wnid}\t0\t0\t7\t7\n")
        if wnid in WNIDS:
            save(root / "val" / "images" / f"val_{i}.JPEG", wnid, 10 + i)
    (root / "val" / "val_annotations.txt").write_text("".join(rows))
    return root


def shade(wnid, i):
    return 60 * int(wnid[1:]) + i


def save(path, wnid, i):
    flat = np.full((8, 8), shade(wnid, i), "uint8")
    # Every third is gray, as some of the published ones are.
    write(path, flat if i % 3 == 0 else np.stack([flat] * 3, axis=-1), quality=95)


def test_ids_are_the_ranks_of_the_sorted_wnids(tree):
    info = datasets.info("tiny_imagenet", data_dir=str(tree))
    assert info.class_names == ("goldfish", "crane (n02)", "crane (n03)")
    assert info.input_shape == (8, 8, 3)
    assert info.sizes == {"train": 27, "validation": 3, "test": 4}
    (tree / "wnids.txt").write_text("\n".join(sorted(WNIDS)))
    again = datasets.info("tiny_imagenet", data_dir=str(tree))
    assert again.class_names == info.class_names


def test_images_and_labels(tree):
    x, y, _ = datasets.arrays(
        "tiny_imagenet", "train", data_dir=str(tree), validation=0
    )
    assert x.shape == (30, 8, 8, 3) and y.tolist() == [0, 1, 2] * 10
    expected = [shade(wnid, i) for i in range(10) for wnid in sorted(WNIDS)]
    np.testing.assert_array_equal(np.rint(255 * x[:, 3, 3, 0]), expected)
    assert (x == x[..., :1]).all()


def test_the_annotated_validation_images_are_the_test_set(tree):
    x, y, _ = datasets.arrays("tiny_imagenet", "test", data_dir=str(tree))
    assert y.tolist() == [1, 2, 0, 1]  # the image of a class not in use is left out
    expected = [shade(w, 10 + i) for i, w in [(0, "n02"), (2, "n03"), (3, "n01")]]
    np.testing.assert_array_equal(np.rint(255 * x[:3, 0, 0, 2]), expected)


def test_where_it_is_looked_for(tree, monkeypatch):
    for data_dir in (tree, tree.parent):
        assert datasets.info("tiny_imagenet", data_dir=str(data_dir)).num_classes == 3
    monkeypatch.setenv("TINY_IMAGENET_DIR", str(tree))
    assert datasets.info("tiny_imagenet").num_classes == 3
    data = datasets.load("tiny_imagenet", "train", batch_size=9)
    assert [x.shape for x, _ in data] == [(9, 8, 8, 3)] * 3
    monkeypatch.setenv("TINY_IMAGENET_DIR", str(tree.parent.parent / "nowhere"))
    with pytest.raises(FileNotFoundError, match="TINY_IMAGENET_DIR=.*nowhere.*Unpack"):
        datasets.info("tiny_imagenet")


def test_images_can_be_resized(tree):
    where = {"data_dir": str(tree), "image_size": (4, 6)}
    assert datasets.arrays("tiny_imagenet", "test", **where)[0].shape == (4, 4, 6, 3)


def test_without_words_classes_are_named_by_their_ids(tree):
    (tree / "words.txt").unlink()
    info = datasets.info("tiny_imagenet", data_dir=str(tree))
    assert info.class_names == ("n01", "n02", "n03")


@pytest.mark.parametrize(
    "missing",
    [
        "wnids.txt",
        "val/val_annotations.txt",
        "val/images/val_2.JPEG",
        "train/n02/images",
    ],
)
def test_what_is_missing_is_named(tree, missing):
    path = tree / missing
    path.rename(path.with_name("elsewhere"))
    with pytest.raises(FileNotFoundError, match=missing):
        datasets.arrays("tiny_imagenet", "test", data_dir=str(tree))


def test_one_image_of_another_size(tree):
    write(tree / "train" / "n02" / "images" / "n02_4.JPEG", pixels(0, (8, 9)))
    with pytest.raises(ValueError, match=r"n02_4\.JPEG of 8x9 beside 8x8"):
        datasets.load("tiny_imagenet", "train", data_dir=str(tree))


def test_annotations_of_other_classes_only(tree):
    (tree / "wnids.txt").write_text("n03\nn01\n")
    (tree / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn02\t0\t0\t7\t7\n")
    with pytest.raises(ValueError, match="classes in wnids.txt. Received: none"):
        datasets.info("tiny_imagenet", data_dir=str(tree))


def test_a_part_of_the_published_tree():
    if not (SHARED / "wnids.txt").is_file():
        pytest.skip(f"no Tiny ImageNet in {SHARED}; set TINY_IMAGENET_DIR to a folder")
    where = {"data_dir": str(SHARED)}
    info = datasets.info("tiny_imagenet", **where)
    wnids = (SHARED / "wnids.txt").read_text().split()
    assert info.num_classes == len(wnids)
    x, y, _ = datasets.arrays("tiny_imagenet", "test", **where)
    assert x.shape == (50 * len(wnids), 64, 64, 3)
    assert np.bincount(y).tolist() == [50] * len(wnids)
    x, y, _ = datasets.arrays("tiny_imagenet", "train", **where, validation=0)
    assert len(set(np.bincount(y))) == 1
    # Part of the images, so near the published constants only.
    np.testing.assert_allclose(x.mean((0, 1, 2)), info.mean, atol=0.06)
    np.testing.assert_allclose(x.std((0, 1, 2)), info.std, atol=0.04)
