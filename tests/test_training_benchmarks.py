"""tests/benchmarks/choices.py and growth.py: what is compared is what they say."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_mpat import backend, objectives
from tests import toy
from tests.benchmarks import growth

pytestmark = pytest.mark.skipif(
    backend.NAME != "tensorflow", reason="the benchmark of choices is TensorFlow's"
)


def test_weight_gradients_change_nothing_of_the_attack():
    from tests.benchmarks import choices

    net, (x, y) = toy.net(), toy.data()

    def goal(z):
        logits = net(z, training=False)
        return objectives.CrossEntropy()(y, logits), logits

    x = ops.convert_to_tensor(x)
    plain, _, _ = backend.input_gradient(goal, x)
    also, values, logits = choices.with_weight_gradients(goal, x)
    np.testing.assert_allclose(also, plain, rtol=1e-5, atol=1e-7)
    assert values.shape == (len(x),) and len(logits) == len(x)


def test_channels_first_ends():
    from tests.benchmarks import choices

    with choices.channels_first():
        assert keras.config.image_data_format() == "channels_first"
    assert keras.config.image_data_format() == "channels_last"


def test_a_choice_that_cannot_run_has_a_row(monkeypatch):
    from tests.benchmarks import choices

    def epoch_of(name, work, batches):
        if name == "XLA":
            raise NotImplementedError("not here\nand more")
        return iter([4.0, 2.0] if name == choices.USUAL else [2.0, 1.0]).__next__

    monkeypatch.setattr(choices, "epoch_of", epoch_of)
    rows = choices.measure("lenet", 2, (choices.USUAL, "XLA", "unrolled loop"))
    assert rows[1] == {"choice": "XLA", "failed": "NotImplementedError: not here"}
    assert rows[2]["speed"] == [2.0, 2.0, 2.0]
    text = choices.table({"repetitions": 2, "workloads": {"w": rows}})
    assert "| XLA | failed: NotImplementedError: not here | |" in text
    assert "| unrolled loop | 94 | 2.00 (2.00–2.00) |" in text


def test_growth_is_over_the_first_size():
    row = {"size": 2, "milliseconds": 10.0, "over_first": [1.0, 1.0, 1.0]}
    twice = {"size": 8, "milliseconds": 20.0, "over_first": [2.0, 1.9, 2.1]}
    data = [{"size": 2000, "images_per_second": 99.6, "peak_mib": 800}]
    found = {"repetitions": 3, "axes": {"classes": [row, twice]}, "data": data}
    text = growth.table(found)
    assert "| 8 | 20.0 | 2.00 (1.90–2.10) | 4 |" in text
    assert "| 2000 | 100 | 800 |" in text
    assert set(growth.AXES) == set(growth.USUAL)
