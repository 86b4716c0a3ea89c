"""The data sets that come with the package. A new one is one more entry here.

The two-class sets put five original classes, side by side in the label order, into
one class each: `y // 5`. The original label stays available as the mode.
"""

import dataclasses

from keras_mpat.datasets.augmentation import PadCropFlip
from keras_mpat.datasets.catalog import DatasetInfo
from keras_mpat.datasets.digits import load_digits
from keras_mpat.datasets.tfds import TfdsLoader


def _grouped(fine: DatasetInfo, size: int) -> DatasetInfo:
    """`fine` with each `size` neighboring labels merged into one class."""
    labels = fine.class_names
    groups = [labels[i : i + size] for i in range(0, len(labels), size)]
    return dataclasses.replace(
        fine,
        name=f"{fine.name}_{len(groups)}",
        class_names=tuple("/".join(group) for group in groups),
        mode_names=labels,
        label_map=tuple(mode // size for mode in range(len(labels))),
    )


DIGITS = DatasetInfo(
    name="digits",
    input_shape=(8, 8, 1),
    class_names=tuple("0123456789"),
    loader=load_digits,
    epsilon=0.1,
    mean=(0.3053,),
    std=(0.3761,),
    sizes={"train": 1294, "validation": 144, "test": 359, "all": 1797},
    parts=("train", "test", "all"),
    source="scikit-learn, load_digits",
)

MNIST = DatasetInfo(
    name="mnist",
    input_shape=(28, 28, 1),
    class_names=tuple("0123456789"),
    loader=TfdsLoader("mnist"),
    epsilon=0.3,
    mean=(0.1307,),
    std=(0.3081,),
    sizes={"train": 55_000, "validation": 5_000, "test": 10_000},
    source="tensorflow-datasets, mnist",
)

CIFAR10 = DatasetInfo(
    name="cifar10",
    input_shape=(32, 32, 3),
    class_names=tuple(
        "airplane automobile bird cat deer dog frog horse ship truck".split()
    ),
    loader=TfdsLoader("cifar10"),
    epsilon="8/255",
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2471, 0.2435, 0.2616),
    augmentation=PadCropFlip(padding=4),
    sizes={"train": 45_000, "validation": 5_000, "test": 10_000},
    source="tensorflow-datasets, cifar10",
)

BUILTIN = (
    DIGITS,
    _grouped(DIGITS, 5),
    MNIST,
    _grouped(MNIST, 5),
    CIFAR10,
    _grouped(CIFAR10, 5),
)
