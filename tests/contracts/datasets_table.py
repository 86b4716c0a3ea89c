"""Every data set: one row each (name, needs prepared files). A new one is one row."""

DATASETS = {
    "digits": False,
    "digits_2": False,
    "mnist": True,
    "mnist_2": True,
    "cifar10": True,
    "cifar10_2": True,
}
