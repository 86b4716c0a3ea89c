"""Keras layers in frozen values: what a config carries, and what equality sees."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest

from keras_mpat.configurable import Configurable
from keras_mpat.learned import described, from_text, to_text
from tests import toy

X, _ = toy.data(6)


@keras.saving.register_keras_serializable("keras_mpat_tests")
@dataclass(frozen=True, eq=False)
class Holder(Configurable):
    """A value with a layer."""

    layer: Any


def round_trip(value):
    return keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(value)
    )


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "bfloat16"])
def test_a_model_comes_back_with_its_weights(dtype):
    classifier = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(3, dtype=dtype),
            keras.layers.BatchNormalization(),
        ]
    )
    again = round_trip(Holder(classifier))
    toy.assert_same(toy.values(again.layer.weights), toy.values(classifier.weights))
    np.testing.assert_array_equal(again.layer(X), classifier(X))
    assert again == Holder(classifier)
    assert described(again.layer) == described(classifier)


def test_a_built_head_comes_back_with_its_prototypes():
    head = toy.head()
    head(X)
    head.active.assign([[1, 0, 1], [1, 1, 0]])
    again = round_trip(Holder(head)).layer
    toy.assert_same(toy.values(again.weights), toy.values(head.weights))


def test_one_weight_makes_another_value():
    first = toy.net()
    other = keras.Sequential.from_config(first.get_config())
    other.set_weights(first.get_weights())
    assert Holder(first) == Holder(other)
    assert described(first) == described(other)
    weights = first.get_weights()
    weights[0][0, 0] += 1e-6
    other.set_weights(weights)
    assert Holder(first) != Holder(other)
    assert described(first) != described(other)


def test_text_is_a_function_of_the_arrays():
    arrays = [np.arange(6.0).reshape(2, 3), np.array(3, "int32"), np.array([], "bool")]
    text = to_text(arrays)
    assert text == to_text([array.copy() for array in arrays]) and text.isascii()
    for array, again in zip(arrays, from_text(text), strict=True):
        np.testing.assert_array_equal(again, array)
        assert again.dtype == array.dtype
