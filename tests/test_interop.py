"""as_torch: the same logits and gradients behind the interface of torch.

    KERAS_BACKEND=torch python -m pytest tests/test_interop.py

What needs Keras on torch skips elsewhere; where torch is installed, the last test runs
the others in such a process.
"""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

import keras_mpat as mpat
from keras_mpat import interop

ON_TORCH = keras.backend.backend() == "torch"
needs_torch = pytest.mark.skipif(not ON_TORCH, reason="needs KERAS_BACKEND=torch")


def linear(shape=(2, 3, 4), seed=0):
    """(classifier on images (H, W, C_in), its matrix (H W C_in, 3))."""
    net = keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(3)])
    matrix = np.random.default_rng(seed).normal(size=(int(np.prod(shape)), 3))
    net.set_weights([matrix.astype("float32"), np.arange(3.0)])
    return net, matrix


def test_torch_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(interop.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="needs torch, which is not installed.*pip"):
        interop.as_torch(linear()[0])


def test_another_backend_is_refused(monkeypatch):
    monkeypatch.setattr(interop.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(interop.backend, "NAME", "tensorflow")
    with pytest.raises(ValueError, match="must be torch.*Received: KERAS_BACKEND=tens"):
        interop.as_torch(linear()[0])


@needs_torch
def test_logits_and_input_gradients_of_a_linear_net_channels_first():
    import torch

    net, matrix = linear()
    module = interop.as_torch(net)
    assert isinstance(module, torch.nn.Module) and not module.training
    x = np.random.default_rng(1).random((5, 2, 3, 4), "float32")
    images = torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).requires_grad_(True)
    logits = module(images)
    assert logits.shape == (5, 3) and logits.dtype == torch.float32
    expected = x.reshape(5, -1) @ matrix + np.arange(3.0)
    np.testing.assert_allclose(logits.detach().numpy(), expected, atol=1e-5)
    (gradient,) = torch.autograd.grad(logits[:, 1].sum(), images)
    by_pixel = matrix[:, 1].reshape(2, 3, 4).transpose(2, 0, 1)
    np.testing.assert_allclose(gradient[3].numpy(), by_pixel, atol=1e-6)
    double = module(images.double())
    np.testing.assert_allclose(double.detach().numpy(), expected, atol=1e-5)


@needs_torch
def test_it_infers_whatever_the_mode():
    import torch

    net = keras.Sequential(
        [keras.Input((4, 4, 1)), layers.BatchNormalization(), layers.Flatten()]
        + [layers.Dropout(0.5), layers.Dense(4)]
    )
    module, x = interop.as_torch(net), torch.rand(6, 1, 4, 4)
    before = [np.array(v) for v in net.get_weights()]
    expected = module(x).detach().numpy()
    module.train()
    np.testing.assert_array_equal(module(x).detach().numpy(), expected)
    for old, new in zip(before, net.get_weights(), strict=True):
        np.testing.assert_array_equal(new, old)
    assert len(list(module.parameters())) == len(net.variables)


@needs_torch
def test_files_models_with_heads_and_features(tmp_path):
    import torch

    net = mpat.models.lenet(3, input_shape=(8, 8, 1))
    model = mpat.AdversarialModel(
        net,
        strategy=mpat.training.StandardTraining(),
        head=mpat.SoftTripleHead(3),
        predict_from="head",
    )
    x = np.random.default_rng(0).random((2, 8, 8, 1), "float32")
    model.predict(x, verbose=0)  # builds the head
    net.save(tmp_path / "net.keras")
    images = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    for given, truth in (
        (tmp_path / "net.keras", net),
        (model, model.predictor),
        (mpat.replace_head(net, mpat.SoftTripleHead(3)), None),
    ):
        logits = interop.as_torch(given)(images).detach().numpy()
        assert logits.shape == (2, 3)
        if truth is not None:
            np.testing.assert_allclose(logits, truth.predict(x, verbose=0), atol=1e-6)
    rows = keras.Sequential([keras.Input((5,)), layers.Dense(2)])
    features = torch.rand(3, 5)
    logits = interop.as_torch(rows)(features).detach().numpy()
    np.testing.assert_allclose(logits, rows.predict(features.numpy(), verbose=0))


@needs_torch
def test_wrong_inputs_are_named():
    import torch

    module = interop.as_torch(linear()[0])
    for x in (
        torch.rand(5, 2, 3, 4),
        torch.rand(4, 2, 3),
        torch.ones(5, 4, 2, 3).int(),
    ):
        with pytest.raises(ValueError, match=r"`x` must be a float.*\(B, C_in, H, W\)"):
            module(x)
    net = linear()[0]
    with pytest.raises(ValueError, match="must end in logits"):
        interop.as_torch(keras.Sequential([net, layers.Softmax()]))
    with pytest.raises(ValueError, match="where there is no file"):
        interop.as_torch("nothing.keras")


@pytest.mark.skipif(ON_TORCH, reason="runs on torch already")
def test_the_others_pass_on_torch():
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed; pip install torch")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
        env=os.environ | {"KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout
    assert " passed, 1 skipped" in done.stdout
