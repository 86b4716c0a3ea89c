"""The nets of the benchmarks as a PyTorch user would write them."""

from torch import nn


def lenet(classes: int = 10) -> nn.Module:
    """`keras_mpat.models.lenet(filters=(32, 64), units=512)` on (B, 1, 28, 28)."""
    return nn.Sequential(
        Normalize(0.1307, 0.3081),
        *_conv(1, 32, 4, 2, 1),
        *_conv(32, 64, 4, 2, 1),
        nn.Flatten(),
        nn.Linear(64 * 7 * 7, 512, bias=False),
        nn.BatchNorm1d(512),
        nn.ReLU(),
        nn.Linear(512, classes),
    )


def resnet18(classes: int = 10, width: int = 16) -> nn.Module:
    """`keras_mpat.models.resnet18(width=16)` on (B, 3, 32, 32)."""
    layers = [Normalize(0.4734, 0.2516), *_conv(3, width, 3, 1, 1)]
    channels = width
    for stage in range(4):
        for index in range(2):
            stride = 2 if stage and not index else 1
            layers.append(Block(channels, width * 2**stage, stride))
            channels = width * 2**stage
    pool = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *pool, nn.Linear(channels, classes))


class Normalize(nn.Module):
    """Pixels in [0, 1] to (x - mean) / std."""

    def __init__(self, mean: float, std: float):
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, x):
        return (x - self.mean) / self.std


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.first = nn.Sequential(*_conv(inputs, outputs, 3, stride, 1))
        self.second = nn.Sequential(*_conv(outputs, outputs, 3, 1, 1)[:2])
        same = stride == 1 and inputs == outputs
        way = nn.Sequential(*_conv(inputs, outputs, 1, stride, 0)[:2])
        self.shortcut = nn.Identity() if same else way
        self.relu = nn.ReLU()

    def forward(self, x):
        return self.relu(self.second(self.first(x)) + self.shortcut(x))


def _conv(inputs, outputs, size, stride, padding):
    convolution = nn.Conv2d(inputs, outputs, size, stride, padding, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


NETS = {"lenet": lenet, "resnet18": resnet18}
