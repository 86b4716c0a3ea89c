"""The data sets that come with the package. A new one is one more entry here.

The grouped sets put five or ten original classes, side by side in the label order,
into one class each: `y // 5`, `y // 10`. The original label stays available as the
mode.
"""

import dataclasses

from keras_mpat.datasets import tiny_imagenet
from keras_mpat.datasets.augmentation import PadCropFlip
from keras_mpat.datasets.catalog import DatasetInfo, LazyInfo
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

# The fine labels in alphabetical order, which is the order of their ids.
CIFAR100 = DatasetInfo(
    name="cifar100",
    input_shape=(32, 32, 3),
    class_names=tuple(
        """
        apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy
        bridge bus butterfly camel can castle caterpillar cattle chair chimpanzee
        clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
        flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower
        leopard lion lizard lobster man maple_tree motorcycle mountain mouse mushroom
        oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
        poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark
        shrew skunk skyscraper snail snake spider squirrel streetcar sunflower
        sweet_pepper table tank telephone television tiger tractor train trout tulip
        turtle wardrobe whale willow_tree wolf woman worm
        """.split()
    ),
    loader=TfdsLoader("cifar100"),
    epsilon="8/255",
    mean=(0.5071, 0.4865, 0.4409),
    std=(0.2673, 0.2564, 0.2762),
    augmentation=PadCropFlip(padding=4),
    sizes={"train": 45_000, "validation": 5_000, "test": 10_000},
    source="tensorflow-datasets, cifar100",
)

# House numbers: a mirrored digit is another one or none, so it is not augmented.
SVHN = DatasetInfo(
    name="svhn_cropped",
    input_shape=(32, 32, 3),
    class_names=tuple("0123456789"),
    loader=TfdsLoader("svhn_cropped"),
    epsilon="8/255",
    mean=(0.4377, 0.4438, 0.4728),
    std=(0.1980, 0.2010, 0.1970),
    sizes={"train": 68_257, "validation": 5_000, "test": 26_032},
    source="tensorflow-datasets, svhn_cropped",
)

TINY_IMAGENET = LazyInfo("tiny_imagenet", tiny_imagenet.describe)

BUILTIN: tuple[DatasetInfo | LazyInfo, ...] = (
    DIGITS,
    _grouped(DIGITS, 5),
    MNIST,
    _grouped(MNIST, 5),
    CIFAR10,
    _grouped(CIFAR10, 5),
    CIFAR100,
    _grouped(CIFAR100, 10),
    SVHN,
    TINY_IMAGENET,
)
