"""replace_head: the head on the embedding, the layers below shared."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat.models import feature_model, replace_head


def test_head_sees_the_embedding(layout, images):
    classifier = layout("softmax")
    head = layers.Dense(4, name="head")
    model = replace_head(classifier, head)
    embedding = ops.convert_to_numpy(feature_model(classifier)(images)[1])
    kernel, bias = head.get_weights()
    np.testing.assert_allclose(
        model(images), embedding @ kernel + bias, rtol=1e-4, atol=1e-5
    )
    assert model.output_shape == (None, 4)


def test_old_last_layer_is_gone_and_the_rest_shared(layout, train_once):
    classifier = layout("linear")
    model = replace_head(classifier, layers.Dense(3, name="head"))
    shared = {id(v) for v in model.weights} & {id(v) for v in classifier.weights}
    assert len(shared) == len(classifier.weights) - 2
    assert len(model.weights) == len(classifier.weights)
    before = classifier.get_weights()
    train_once(model)
    after = classifier.get_weights()
    assert not np.array_equal(before[0], after[0])
    np.testing.assert_array_equal(before[-1], after[-1])


def test_feature_layer(layouts):
    head = layers.Dense(4, name="head")
    replace_head(layouts["flat"]("linear"), head, feature_layer="flatten")
    assert head.kernel.shape == (36, 4)


def test_name_taken():
    inputs = keras.Input((4,))
    hidden = layers.Dense(5, name="dense")(inputs)
    classifier = keras.Model(inputs, layers.Dense(2, name="scores")(hidden))
    with pytest.raises(ValueError, match="`head` must .*'dense'.*name='head'"):
        replace_head(classifier, layers.Dense(2, name="dense"))
    # The name of the layer that leaves is free.
    replace_head(classifier, layers.Dense(2, name="scores"))


def test_head_with_a_map_is_refused(layouts):
    with pytest.raises(ValueError, match=r"`head` must map embeddings \(B, D\)"):
        replace_head(layouts["flat"]("linear"), layers.Reshape((2, 3)))


def test_the_embedding_of_the_result_is_what_its_head_gets(layout, images):
    classifier = layout("linear")
    expected = ops.convert_to_numpy(feature_model(classifier)(images)[1])
    head = mpat.SoftTripleHead(4, prototypes_per_class=2)
    model = replace_head(classifier, head)
    scores, embedding = map(ops.convert_to_numpy, feature_model(model)(images))
    np.testing.assert_array_equal(embedding, expected)
    np.testing.assert_allclose(scores, head.logits(expected), rtol=1e-4, atol=1e-5)
