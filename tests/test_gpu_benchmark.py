"""tests/benchmarks/gpu.py, as far as it goes without an accelerator."""

import argparse
import json

import keras
import numpy as np
import pytest

import keras_mpat as mpat
from tests.benchmarks import gpu


def test_operations_of_a_forward_pass_are_counted():
    net = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            keras.layers.Conv2D(4, 3, strides=2, padding="same"),
            keras.layers.ReLU(),
            keras.layers.Flatten(),
            keras.layers.Dense(5),
        ]
    )
    assert gpu.forward_flops(net) == 2 * (3 * 3 * 2 * 4) * 9 + 2 * 36 * 5
    published = 0.5567e9  # multiplications of ResNet-18 on CIFAR, often cited as 0.56 G
    flops = gpu.forward_flops(mpat.models.resnet18(10, width=64))
    assert flops == pytest.approx(2 * published, rel=0.01)


def test_the_made_up_classes_lie_farther_apart_than_the_ball_is_wide():
    x, y = gpu.data(200)
    assert x.shape == (200, 32, 32, 3) and x.dtype == np.float32
    means = x.mean(axis=(1, 2, 3))
    sure = [means[y == label] for label in range(gpu.CLASSES)]
    order = np.argsort([part.mean() for part in sure])
    for low, high in zip(order, order[1:], strict=False):
        gap = sure[high].min() - sure[low].max()
        assert gap > 2 * gpu.BALL.radius


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("8m", 480), ("1.5h", 5400)]
)
def test_budgets(text, seconds):
    assert gpu.seconds_of(text) == seconds
    with pytest.raises(argparse.ArgumentTypeError, match="pass 90s, 8m or 1h"):
        gpu.seconds_of(text[:-1])


def test_it_goes_on_with_what_is_missing_until_the_budget_is_spent(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(gpu, "product_rate", lambda precision, size: 2e12)
    trained = []

    def training(width, precision, batch_size, images, xla):
        if xla:
            trained.append(precision)
        return {"tflops": 1.0}, "classifier"

    monkeypatch.setattr(gpu, "training", training)
    monkeypatch.setattr(gpu, "attacking", lambda *_: {"seconds": 1.0})
    out = tmp_path / "gpu.json"
    gpu.run(out, -1.0, smoke=True, width=4)
    assert "The budget is spent before: product float32" in capsys.readouterr().out
    gpu.run(out, 60.0, smoke=True, width=4)
    assert trained == ["mixed_bfloat16", "float32"]
    figures = json.loads(out.read_text())["figures"]
    assert figures["training float32 8"]["share_of_product"] == 0.5
    del figures["attacking float32 8"]  # killed before: its classifier is trained again
    known = json.loads(out.read_text()) | {"figures": figures}
    out.write_text(json.dumps(known))
    gpu.run(out, 60.0, smoke=True, width=4)
    assert trained == ["mixed_bfloat16", "float32", "float32"]
    gpu.run(out, 60.0, smoke=True, width=4)
    assert len(trained) == 3
