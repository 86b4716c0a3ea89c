"""What a careless or hostile user does, and what they are told."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import layers, ops

import keras_mpat as mpat
from keras_mpat.models.data_checks import check_data
from tests import toy

BALL = mpat.Linf(0.05)
PGD = mpat.attacks.PGD(BALL, steps=2)


def _model(strategy=None, **kwargs):
    strategy = strategy or mpat.training.PGDTraining(BALL, steps=2)
    return toy.model(strategy, **{"eager": False, **kwargs})


class _Grey(keras.utils.PyDataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        x, y = toy.data(16)
        return 255 * x, y


def _tensors(x, y):
    return (keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y))


@pytest.mark.parametrize(
    "as_data", [lambda x, y: (x, y), _tensors], ids=["arrays", "tensors"]
)
@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_inputs_out_of_bounds_are_refused_in_arrays_and_tensors(method, as_data):
    x, y = toy.data(16)
    model = _model(validation_attack=PGD)
    with pytest.raises(ValueError, match="bounds"):
        getattr(model, method)(*as_data(255 * x, y), verbose=0)


def test_inputs_out_of_bounds_are_refused_in_a_pydataset_and_a_validation_list():
    x, y = toy.data(16)
    with pytest.raises(ValueError, match="bounds"):
        _model().fit(_Grey(), verbose=0)
    with pytest.raises(ValueError, match="bounds"):
        _model().fit(x, y, validation_data=[255 * x, y], verbose=0)


@pytest.mark.parametrize("bad", [3.0, np.nan], ids=["range", "nan"])
def test_a_later_batch_out_of_bounds_ends_the_epoch_with_an_error(bad):
    x, y = toy.data(16)
    later = x.copy()
    later[5, 0] = bad

    def batches():
        for images in (x, later):
            yield images, y

    model = _model()
    with pytest.raises(ValueError, match="1 examples outside in epoch 1"):
        model.fit(batches(), steps_per_epoch=2, verbose=0)


def test_dictionaries_of_a_stream_are_named():
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("tf.data is looked into on the TensorFlow backend")
    x, y = toy.data(16)
    stream = tf.data.Dataset.from_tensor_slices({"image": x, "label": y}).batch(8)
    with pytest.raises(ValueError, match="as_supervised"):
        _model().fit(stream, verbose=0)


def test_probabilities_are_refused_wherever_they_come_from():
    x, y = toy.data(8)
    sigmoid = keras.Sequential(
        [keras.Input((4,)), layers.Dense(2, activation="sigmoid")]
    )
    with pytest.raises(ValueError, match="sigmoid"):
        mpat.AdversarialModel(sigmoid, strategy=mpat.training.StandardTraining())
    with pytest.raises(ValueError, match="sigmoid"):
        mpat.evaluation.evaluate_robustness(sigmoid, (x, y), PGD, verbose=False)
    softmax = keras.Sequential(
        [keras.Input((4,)), layers.Dense(2, activation="softmax")]
    )
    with pytest.raises(ValueError, match="as_logits"):
        PGD(softmax, x, y)


@keras.saving.register_keras_serializable("tests")
class Subclassed(keras.Model):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.last = layers.Dense(2, activation="softmax")

    def call(self, x):
        return self.last(x)


def test_a_subclassed_softmax_is_refused_in_evaluation():
    x, y = toy.data(8)
    model = Subclassed()
    model(x)
    with pytest.raises(ValueError, match="probabilities"):
        mpat.evaluation.evaluate_robustness(model, (x, y), PGD, verbose=False)


def test_a_net_of_nan_is_right_about_nothing():
    x, y = toy.data(8)
    net = toy.net()
    net.set_weights([np.full(w.shape, np.nan, "float32") for w in net.get_weights()])
    result = mpat.evaluation.evaluate_robustness(net, (x, y), PGD, verbose=False)
    assert result.clean_accuracy == 0 and result.robust_accuracy == 0


@pytest.mark.parametrize(
    "loss",
    [
        keras.losses.sparse_categorical_crossentropy,
        ["sparse_categorical_crossentropy"],
        {"output": keras.losses.CategoricalCrossentropy()},
    ],
    ids=["function", "list", "dict"],
)
def test_losses_of_probabilities_are_refused_in_every_form(loss):
    with pytest.raises(ValueError, match="from_logits=True"):
        _model().compile("sgd", loss)


@pytest.mark.parametrize("seed", [None, -1, 1.5, True])
def test_a_seed_that_is_none_is_refused_before_training(seed):
    with pytest.raises(ValueError, match="`seed`"):
        _model(seed=seed)


def test_robust_accuracy_steers_callbacks_and_does_not_depend_on_the_batch_size():
    x, y = toy.data(40)
    model = _model(validation_attack=mpat.attacks.PGD(mpat.Linf(0.3), steps=1))
    stop = keras.callbacks.EarlyStopping("val_robust_accuracy", mode="max", patience=1)
    history = model.fit(
        x, y, validation_data=(x, y), epochs=9, callbacks=[stop], verbose=0
    ).history["val_robust_accuracy"]
    assert stop.best == max(history)
    results = [
        model.evaluate(x, y, batch_size=size, verbose=0, return_dict=True)
        for size in (7, 40)
    ]
    assert results[0]["robust_accuracy"] == results[1]["robust_accuracy"]
    assert results[0]["robust_accuracy"] <= results[0]["accuracy"]


def test_warm_up_outside_fit_trains_at_the_full_epsilon():
    x, y = toy.data(16)
    model = _model(mpat.training.PGDTraining(BALL, steps=1, warmup_epochs=2))
    model.train_on_batch(x, y)
    assert float(model.strategy_state["epsilon_scale"]) == 1.0


def test_free_training_refuses_averaged_weights_also_behind_loss_scaling():
    model = _model(mpat.training.FreeTraining(BALL, 2, batch_size=16))
    averaged = keras.optimizers.SGD(0.1, use_ema=True)
    scaled = keras.optimizers.LossScaleOptimizer(averaged)
    for optimizer in (averaged, scaled, keras.optimizers.serialize(averaged)):
        with pytest.raises(ValueError, match="use_ema"):
            model.compile(optimizer)
    with pytest.raises(ValueError, match="norm_mode"):
        mpat.training.FreeTraining(BALL, norm_mode="train")


def test_a_strategy_may_name_its_view_as_it_likes():
    @keras.saving.register_keras_serializable("tests")
    class Noisy(mpat.training.Strategy):
        threat_model = BALL

        def perturb(self, model, x, y):
            return {"noisy": x}

        def get_config(self):
            return {}

    x, y = toy.data(16)
    model = _model(Noisy(), regularizer="features", regularizer_weight=0.1)
    assert "accuracy" in model.train_on_batch(x, y, return_dict=True)


def test_a_frozen_classifier_has_no_kernel_norm():
    x, y = toy.data(16)
    net = toy.net()
    net.trainable = False
    model = _model(
        classifier=net, head=toy.head(), regularizer="weights", regularizer_weight=1.0
    )
    assert np.all(np.isfinite(model.train_on_batch(x, y)))


def test_a_place_in_a_nested_model_survives_saving(tmp_path):
    x, y = toy.data(16)
    inner = keras.Sequential(
        [keras.Input((4,)), layers.Dense(6, name="wide"), layers.ReLU()], name="inner"
    )
    image = keras.Input((4,))
    net = keras.Model(image, layers.Dense(2)(inner(image)))
    places = [inner.get_layer("wide"), inner.get_layer("wide").output, "inner/wide"]
    for number, place in enumerate(places):
        model = _model(classifier=net, head=toy.head(), feature_layer=place)
        assert model.feature_layer == "inner/wide"
        model.train_on_batch(x, y)
        path = tmp_path / f"{number}.keras"
        model.save(path)
        loaded = keras.models.load_model(path)
        np.testing.assert_array_equal(
            loaded.predict(x, verbose=0), model.predict(x, verbose=0)
        )


def test_auto_is_saved_as_auto(tmp_path):
    x, y = toy.data(16)
    model = _model()
    model.fit(x, y, verbose=0)
    model.save(tmp_path / "model.keras")
    assert keras.models.load_model(tmp_path / "model.keras").requested_jit == "auto"
    assert model.get_compile_config()["jit_compile"] == "auto"


def test_a_stream_that_only_keras_knows_is_left_to_keras():
    class Distributed:
        pass

    stream = Distributed()
    assert check_data(stream, None, _model()) is stream
    with pytest.raises(ValueError, match="`y` must be an array"):
        check_data(toy.data()[0], None, _model())


@dataclasses.dataclass(frozen=True, eq=False)
class Helpful(mpat.attacks.Attack):
    """Puts each example on the side of its label."""

    threat_model: mpat.ThreatModel

    def search(self, logits_fn, x, targets, keys):
        side = 0.25 + 0.5 * ops.cast(targets, "float32")[:, None]
        return self.threat_model.project(ops.concatenate([side, x[:, 1:]], axis=1), x)


def test_what_is_wrong_without_an_attack_is_not_robust():
    net = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    kernel = np.zeros((4, 2))
    kernel[0] = -10, 10
    net.set_weights([kernel, np.array([5, -5])])  # class 1 where the first is over 0.5
    x, y = toy.data(24)
    y[:6] = 1 - y[:6]
    attack = Helpful(mpat.Linf(0.9))
    model = _model(mpat.training.StandardTraining(), classifier=net, eager=True)
    x_adv = np.asarray(attack(model.logits_fn(), x, y))
    assert np.all(np.argmax(net.predict(x_adv, verbose=0), axis=-1) == y)
    model = _model(classifier=net, eager=True, validation_attack=attack)
    logs = model.evaluate(x, y, batch_size=10, verbose=0, return_dict=True)
    assert logs["robust_accuracy"] == pytest.approx(18 / 24)
