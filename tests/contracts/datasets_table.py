"""Every data set: one row each, where its files are. A new one is one row.

`None`: comes with a library. Else a fixture that gives the keyword arguments that find
the files, or skips.
"""

DATASETS = {
    "digits": None,
    "digits_2": None,
    "mnist": "prepared_by_tfds",
    "mnist_2": "prepared_by_tfds",
    "cifar10": "prepared_by_tfds",
    "cifar10_2": "prepared_by_tfds",
    "cifar100": "prepared_by_tfds",
    "cifar100_10": "prepared_by_tfds",
    "svhn_cropped": "prepared_by_tfds",
    "tiny_imagenet": "tiny_imagenet_tree",
}
