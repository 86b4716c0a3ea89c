"""BatchNorm over several devices: an option on TensorFlow, what JAX does anyway."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

from keras_mpat import backend
from keras_mpat.models import lenet, lenet_tla, resnet18, resnet50, wide_resnet

DIGITS = {"input_shape": (8, 8, 1), "mean": 0.5, "std": 0.25}
SMALL = {
    "lenet": lambda **kw: lenet(3, **DIGITS, filters=(2, 2), units=4, **kw),
    "lenet_tla": lambda **kw: lenet_tla(3, **DIGITS, filters=(2,) * 4, units=4, **kw),
    "resnet18": lambda **kw: resnet18(3, **DIGITS, width=2, **kw),
    "resnet18_preact": lambda **kw: resnet18(3, **DIGITS, width=2, preact=True, **kw),
    "resnet50": lambda **kw: resnet50(3, **DIGITS, width=2, **kw),
    "resnet50_imagenet": lambda **kw: resnet50(
        3, **DIGITS, width=1, stem="imagenet", **kw
    ),
    "wide_resnet": lambda **kw: wide_resnet(
        3, **DIGITS, depth=10, widen=2, width=2, **kw
    ),
}
on_tensorflow = pytest.mark.skipif(
    backend.NAME != "tensorflow", reason="synchronized is refused here"
)
elsewhere = pytest.mark.skipif(
    backend.NAME == "tensorflow", reason="synchronized works here"
)

# Prints how far two devices end from one after an update on one batch of 16 images,
# whose second half is brighter, so that the halves have other statistics.
TWO_DEVICES = """
import contextlib, os, sys
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
import keras
import numpy as np
from keras_mpat.models import lenet

x = np.random.default_rng(0).random((16, 8, 8, 1), dtype="float32")
x[:8] *= 0.3
y = np.arange(16) % 3

def trained(**options):
    keras.utils.set_random_seed(0)
    model = lenet(3, input_shape=(8, 8, 1), filters=(2, 2), units=4, **options)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss=loss)
    model.fit(x, y, batch_size=16, epochs=1, shuffle=False, verbose=0)
    return np.concatenate([np.ravel(w) for w in model.get_weights()])

two_devices = contextlib.nullcontext()
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf
    cpu = tf.config.list_physical_devices("CPU")[0]
    halves = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(cpu, halves)
    two_devices = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope()
one = trained()
if keras.backend.backend() == "jax":
    keras.distribution.set_distribution(keras.distribution.DataParallel())
with two_devices:
    for synchronized in eval(sys.argv[1]):
        print(np.max(np.abs(trained(synchronized=synchronized) - one)))
"""


def _synchronized(model):
    """The values of the option in the BatchNorms of a net."""
    return {
        layer.synchronized
        for layer in model.layers
        if isinstance(layer, layers.BatchNormalization)
    }


def test_two_devices_train_as_one():
    """On TensorFlow with `synchronized`, and not without; on JAX without."""
    cases = [False] if backend.NAME == "jax" else [False, True]
    done = subprocess.run(
        [sys.executable, "-c", TWO_DEVICES, str(cases)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    distances = [float(line) for line in done.stdout.split()[-len(cases) :]]
    assert distances[-1] < 1e-5
    if backend.NAME == "tensorflow":
        assert distances[0] > 1e-2


@on_tensorflow
@pytest.mark.parametrize("name", SMALL)
def test_every_batch_norm_is_synchronized(name):
    assert _synchronized(SMALL[name](synchronized=True)) == {True}


@on_tensorflow
def test_one_device_sees_no_difference(tmp_path):
    model, plain = SMALL["lenet"](synchronized=True), SMALL["lenet"]()
    assert _synchronized(plain) == {False}
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    assert _synchronized(loaded) == {True}
    model.save_weights(tmp_path / "m.weights.h5")
    plain.load_weights(tmp_path / "m.weights.h5")
    x = np.random.default_rng(0).random((4, 8, 8, 1), dtype="float32")
    for training in (False, True):
        expected = plain(x, training=training)
        for other in (model, loaded):
            np.testing.assert_allclose(
                other(x, training=training), expected, rtol=1e-4, atol=1e-4
            )


@elsewhere
@pytest.mark.parametrize("name", SMALL)
def test_refused_where_keras_has_none(name):
    with pytest.raises(ValueError, match="`synchronized` must be False.*Received"):
        SMALL[name](synchronized=True)


@elsewhere
def test_a_synchronized_model_does_not_load_elsewhere():
    """Keras refuses its layers; its weights load into the net without the option."""
    config = SMALL["lenet"]().get_config()
    for layer in config["layers"]:
        if "synchronized" in layer["config"]:
            layer["config"]["synchronized"] = True
    with pytest.raises((ValueError, TypeError), match="only supported with the Tensor"):
        keras.Model.from_config(config)
