"""Subclassed classifiers: one pass for logits and embedding, and what is refused."""

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat import models, training
from keras_mpat.models import subclassed
from tests import existing, toy

X, Y = toy.data(8)
PGD = training.PGDTraining(mpat.Linf(0.1), steps=1)


class Plain(keras.Model):
    """No features, no classify: good for head=None."""

    def __init__(self, activation=None, **kwargs):
        super().__init__(**kwargs)
        self.hidden = layers.Dense(6)
        self.last = layers.Dense(2, activation=activation)

    def call(self, x):
        return self.last(self.hidden(x))


class Short(Plain):
    """features without `training`, which Keras then hands to the layers."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.norm = layers.BatchNormalization(momentum=0.5)
        self.passes = []

    def features(self, x):
        self.passes.append(1)
        return self.norm(self.hidden(x))

    def classify(self, embedding):
        return self.last(embedding)

    def call(self, x):
        return self.classify(self.features(x))


class Maps(Short):
    def features(self, x):
        return ops.reshape(super().features(x), (-1, 3, 2))

    def classify(self, embedding):
        return self.last(ops.reshape(embedding, (-1, 6)))


class OtherCall(Short):
    def call(self, x):
        return 2 * self.classify(self.features(x)) + 1


class TwoOutputs(Short):
    def call(self, x):
        embedding = self.features(x)
        return self.classify(embedding), embedding


class OnlyFeatures(Plain):
    def features(self, x):
        return self.hidden(x)


class TwoInputs(Plain):
    def call(self, x, z):
        return self.last(self.hidden(x) + self.hidden(z))


def built(classifier):
    classifier(X)
    return classifier


def wrap(classifier, with_head=True, **kwargs):
    head = toy.head() if with_head else None
    return mpat.AdversarialModel(classifier, strategy=PGD, head=head, **kwargs)


REFUSED = {
    "unbuilt": (lambda: Short(), False, "must be built.*call it once"),
    "no methods": (
        lambda: built(Plain()),
        True,
        r"subclassed Plain without features and classify. Give it features\(x",
    ),
    "no classify": (
        lambda: built(OnlyFeatures()),
        True,
        "subclassed OnlyFeatures without classify",
    ),
    "maps": (
        lambda: built(Maps()),
        True,
        r"`classifier.features` must .*Maps, shape=\(None, 3, 2\). Pool or flatten",
    ),
    "another call": (
        lambda: built(OtherCall()),
        True,
        r"`classifier.call` must be classify\(features\(x\)\)",
    ),
    "two outputs": (
        lambda: built(TwoOutputs()),
        False,
        r"returns a tuple. Give it features\(x",
    ),
    "softmax": (
        lambda: built(Plain(activation="softmax")),
        False,
        "Plain, whose rows are probabilities",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_trained_is_named(case):
    build, with_head, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        wrap(build(), with_head)


def test_two_inputs_are_named():
    classifier = TwoInputs()
    classifier(X, X)
    with pytest.raises(ValueError, match="`classifier` must have one input"):
        wrap(classifier, with_head=False)


def test_half_precision_probabilities_are_recognised():
    classifier = built(Plain(activation="softmax", dtype="float16"))
    with pytest.raises(ValueError, match="probabilities"):
        wrap(classifier, with_head=False)


class Shares(layers.Layer):
    def call(self, x):
        return ops.softmax(x)


class Sum(layers.Dense):
    """A dense layer in name, whose call adds what its activation does not show."""

    def call(self, x):
        return ops.softmax(super().call(x))


def ending_in(*last):
    return keras.Sequential([keras.Input((4,)), layers.Dense(3), *last])


def nested(classifier):
    image = keras.Input((4,))
    return keras.Model(image, classifier(image))


UNNAMED = {
    "Lambda": lambda: ending_in(layers.Lambda(lambda z: ops.softmax(z))),
    "layer": lambda: ending_in(Shares()),
    "subclass of Dense": lambda: ending_in(Sum(3)),
    "softmax of softmax": lambda: ending_in(layers.Softmax(), layers.Softmax()),
    "subclass in a graph": lambda: nested(built(Plain(activation="softmax"))),
    "float16": lambda: ending_in(Shares(dtype="float16")),
}


@pytest.mark.filterwarnings("ignore:`classifier`")
@pytest.mark.parametrize("case", UNNAMED)
def test_a_softmax_that_the_graph_does_not_name_is_found(case):
    with pytest.raises(ValueError, match="probabilities; it would"):
        wrap(UNNAMED[case](), with_head=False)


LOGITS = {
    "normalized": lambda: ending_in(layers.BatchNormalization()),
    "rectified": lambda: ending_in(layers.ReLU()),
    "scaled": lambda: ending_in(layers.Lambda(lambda z: 3 * z)),
    "subclass in a graph": lambda: nested(built(Plain())),
}


@pytest.mark.parametrize("case", LOGITS)
def test_logits_that_the_graph_does_not_name_are_taken(case):
    classifier = LOGITS[case]()
    assert wrap(classifier, with_head=False).classifier is classifier


def test_a_graph_that_ends_in_a_dense_layer_costs_no_pass(monkeypatch):
    def refuse(classifier):
        raise AssertionError("a pass")

    monkeypatch.setattr(subclassed, "check_logits", refuse)
    for classifier in (toy.net(), nested(toy.net()), ending_in(layers.Flatten())):
        wrap(classifier, with_head=False)
    with pytest.raises(AssertionError, match="a pass"):
        wrap(UNNAMED["layer"](), with_head=False)


def test_half_precision_probabilities_are_recognised_in_an_attack():
    classifier = ending_in(Shares(dtype="bfloat16"))
    with pytest.raises(ValueError, match="rows that are probabilities"):
        mpat.attacks.FGSM(mpat.Linf(0.1))(classifier, X, Y)


@pytest.mark.parametrize("find", [models.find_embedding, models.as_logits])
def test_graph_readers_say_what_a_subclass_can_do(find):
    with pytest.raises(ValueError, match=r"features\(x\) and classify\(embedding\)"):
        find(built(Short()))


def test_replace_head_and_feature_layer_need_a_graph():
    with pytest.raises(ValueError, match="`classifier` must be a functional"):
        mpat.replace_head(built(Short()), toy.head())
    with pytest.raises(ValueError, match="`classifier` must be a functional"):
        wrap(built(Short()), feature_layer="hidden")


def test_a_training_step_passes_through_the_classifier_once_per_view():
    classifier = built(Short())
    model = wrap(classifier)
    classifier.passes.clear()
    outputs = model({"adversarial": X}, training=True)
    assert len(classifier.passes) == 1
    logits, embedding = map(ops.convert_to_numpy, outputs["views"]["adversarial"])
    kernel, bias = classifier.last.get_weights()
    np.testing.assert_allclose(logits, embedding @ kernel + bias, rtol=1e-5, atol=1e-6)


def test_features_without_a_training_argument_run_in_the_mode_of_the_call():
    classifier = built(Short())
    both = models.feature_model(classifier)
    inference = ops.convert_to_numpy(both(X)[1])
    assert np.abs(ops.convert_to_numpy(classifier.norm.moving_mean)).max() == 0
    in_training = ops.convert_to_numpy(both(X, training=True)[1])
    np.testing.assert_allclose(in_training.mean(axis=0), 0, atol=1e-5)
    assert np.abs(ops.convert_to_numpy(classifier.norm.moving_mean)).max() > 0
    assert not np.allclose(in_training, inference)


def test_the_embedding_follows_the_dropout_of_the_call():
    classifier = existing.built(existing.WithFeatures())
    both = models.feature_model(classifier)
    x = np.random.default_rng(0).random((4, *existing.SHAPE), dtype="float32")
    assert np.mean(ops.convert_to_numpy(both(x, training=True)[1]) == 0) > 0.1
    assert np.mean(ops.convert_to_numpy(both(x)[1]) == 0) == 0


def test_mixed_precision_casts_as_the_classifier_does():
    policy = keras.dtype_policies.DTypePolicy("mixed_bfloat16")
    classifier = Short(dtype=policy)
    for part in (classifier.hidden, classifier.last, classifier.norm):
        part.dtype_policy = policy
    logits, embedding = models.feature_model(built(classifier))(X)
    assert keras.backend.standardize_dtype(embedding.dtype) == "bfloat16"
    np.testing.assert_array_equal(
        ops.cast(logits, "float32"), ops.cast(classifier(X), "float32")
    )


def test_regularizers_and_head_share_the_embedding():
    model = wrap(built(Short()), regularizer="features", regularizer_weight=0.1)
    model.compile("sgd", metrics=["accuracy"], run_eagerly=True)
    logs = model.train_on_batch(X, Y, return_dict=True)
    assert logs["loss"] > logs["ce_loss"]


def test_a_compiled_step_trains_it_too():
    model = wrap(built(Short()))
    model.compile("sgd")
    history = model.fit(X, Y, verbose=0).history
    assert np.isfinite(history["loss"][0])


def test_the_head_predicts_for_a_subclassed_classifier():
    classifier = Short()
    classifier(X)
    model = toy.model(PGD, classifier=classifier, head=toy.head(), predict_from="head")
    model.train_on_batch(X, Y)
    result = mpat.evaluation.evaluate_robustness(
        model, (X, Y), mpat.attacks.FGSM(mpat.Linf(0.1)), verbose=False
    )
    right = model.predict(X, verbose=0).argmax(axis=1) == Y
    np.testing.assert_array_equal(result.clean, right)
