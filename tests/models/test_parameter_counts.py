"""Trainable parameters of the residual nets, counted from the papers' tables.

A convolution has k * k * inside * outside, a BatchNorm 2 per channel, the last layer
(inside + 1) * C. `inside` and `outside` are arrays over the stages.
"""

import numpy as np
import pytest

from keras_mpat.models import resnet18, resnet50, wide_resnet

RESNET18, RESNET50 = (2, 2, 2, 2), (3, 4, 6, 3)


def _stages(depths, width, stem, expansion=1):
    outside = width * 2 ** np.arange(len(depths))
    inside = np.concatenate([[stem], expansion * outside[:-1]])
    return np.array(depths), inside, outside


def _post_activation(width, classes, channels=3):
    """Basic blocks: two 3x3 convolutions, each with a BatchNorm."""
    n, inside, outside = _stages(RESNET18, width, stem=width)
    convolutions = 9 * (inside * outside + (2 * n - 1) * outside**2)
    norms = 2 * 2 * n * outside
    shortcuts = (inside != outside) * (inside * outside + 2 * outside)
    stem = 9 * channels * width + 2 * width
    body = np.sum(convolutions + norms + shortcuts)
    return stem + body + (outside[-1] + 1) * classes


def _pre_activation(depths, width, stem, classes, channels=3):
    """The first norm of a stage has the channels of the stage before; one at the end.

    No BatchNorm in the stem, none in the shortcuts.
    """
    n, inside, outside = _stages(depths, width, stem)
    convolutions = 9 * (inside * outside + (2 * n - 1) * outside**2)
    norms = 2 * (inside + (2 * n - 1) * outside)
    shortcuts = (inside != outside) * inside * outside
    body = 9 * channels * stem + np.sum(convolutions + norms + shortcuts)
    return body + 2 * outside[-1] + (outside[-1] + 1) * classes


def _bottlenecks(width, classes, kernel, channels=3):
    """1x1, 3x3 and 1x1 convolution, the last four times as wide; projections always."""
    n, inside, outside = _stages(RESNET50, width, stem=width, expansion=4)
    wide = 4 * outside
    first = inside * outside + (n - 1) * wide * outside
    rest = n * (9 * outside**2 + outside * wide)
    norms = n * 2 * (2 * outside + wide)
    shortcuts = (inside != wide) * (inside * wide + 2 * wide)
    stem = kernel**2 * channels * width + 2 * width
    return stem + np.sum(first + rest + norms + shortcuts) + (wide[-1] + 1) * classes


def _wide(depth, widen, classes, width=16):
    return _pre_activation([(depth - 4) // 6] * 3, width * widen, width, classes)


@pytest.mark.parametrize(
    ("counted", "published"),
    [
        (_post_activation(64, 10), 11_173_962),
        (_pre_activation(RESNET18, 64, 64, 10), 11_172_170),
        (_bottlenecks(64, 10, kernel=3), 23_520_842),
        (_bottlenecks(64, 1000, kernel=7), 25_557_032),
        (_wide(28, 10, 10), 36_479_194),
        (_wide(34, 10, 10), 46_160_474),
    ],
    ids=[
        "resnet18",
        "resnet18_preact",
        "resnet50",
        "resnet50_imagenet",
        "wrn_28_10",
        "wrn_34_10",
    ],
)
def test_the_count_gives_the_published_numbers(counted, published):
    assert counted == published


CASES = {
    "resnet18": (lambda: resnet18(3, width=4), _post_activation(4, 3)),
    "resnet18_preact": (
        lambda: resnet18(3, width=4, preact=True),
        _pre_activation(RESNET18, 4, 4, 3),
    ),
    "resnet50": (lambda: resnet50(5, width=2), _bottlenecks(2, 5, kernel=3)),
    "resnet50_imagenet": (
        lambda: resnet50(5, width=2, stem="imagenet"),
        _bottlenecks(2, 5, kernel=7),
    ),
    "wrn_16_1": (lambda: wide_resnet(7, depth=16, widen=1), _wide(16, 1, 7)),
    "wrn_22_3": (
        lambda: wide_resnet(7, depth=22, widen=3, width=2),
        _wide(22, 3, 7, width=2),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_nets_have_that_many(case):
    build, counted = CASES[case]
    shapes = [variable.shape for variable in build().trainable_variables]
    assert sum(int(np.prod(shape)) for shape in shapes) == counted
