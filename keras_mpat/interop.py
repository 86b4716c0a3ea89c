"""A Keras classifier as a torch module, so that attacks written for torch run on it.

    import os
    os.environ["KERAS_BACKEND"] = "torch"     # before keras is imported
    from keras_mpat import interop

    module = interop.as_torch("robust.keras")  # torch.nn.Module, images (B, C_in, H, W)
    x_adv = AutoAttack(module, eps=0.3).run_standard_evaluation(x, y)

The saved weights and the forward pass are Keras' own: on its torch backend they are
torch tensors and torch operations, so gradients reach the inputs. Verdicts of another
implementation can then be laid beside ours (`evaluation.Verification`).
"""

import importlib.util
import pickle

from keras_mpat import backend
from keras_mpat.evaluation.loading import load_classifier
from keras_mpat.models.checks import shapes

if backend.NAME == "torch":
    import torch

    _Module = torch.nn.Module
else:  # the class below cannot be made then: `as_torch` refuses
    _Module = object


class TorchClassifier(_Module):
    """A Keras classifier behind the interface of torch: see `as_torch`.

    It predicts in inference mode whatever `train()` and `eval()` say.

    Input shape: (B, C_in, H, W) where the classifier takes images (B, H, W, C_in); any
    other input as the classifier takes it.
    Output shape: logits (B, C), float32.
    """

    def __init__(self, classifier):
        super().__init__()
        shape, _ = shapes(classifier)
        self.classifier = classifier
        self._images = len(shape) == 4
        order = (0, 3, 1, 2) if self._images else range(len(shape))
        self._expected = tuple(shape[axis] for axis in order)
        self.eval()

    def forward(self, x):
        self._check(x)
        if self._images:
            x = x.permute(0, 2, 3, 1)
        logits = self.classifier(x.to(torch.float32), training=False)
        return logits.to(torch.float32)

    def _check(self, x) -> None:
        found = tuple(x.shape)
        fits = len(found) == len(self._expected) and all(
            size in (None, given)
            for size, given in zip(self._expected[1:], found[1:], strict=True)
        )
        if not fits or not x.is_floating_point():
            layout = "(B, C_in, H, W)" if self._images else "as the classifier takes"
            raise ValueError(
                f"`x` must be a float tensor of shape {self._expected}, {layout}. "
                f"Received: shape {found}, {x.dtype}. Of images (B, H, W, C_in) pass "
                "x.permute(0, 3, 1, 2)."
            )


def as_torch(model_or_path) -> TorchClassifier:
    """A Keras classifier as a `torch.nn.Module`, in eval mode, on its own weights.

    Args:
        model_or_path: a Keras classifier with logits, an `AdversarialModel` (what it
            predicts from), or the path of a `.keras` file that either was saved to,
            on any backend. Images channels last, values as it was trained on.

    Returns:
        A module that maps float images (B, C_in, H, W) to logits (B, C), with gradients
        to the images. Its parameters are the classifier's own.

    Raises:
        ValueError: Keras does not run on torch, or no classifier with logits.
        ImportError: torch is not installed.
    """
    _check_backend()
    return TorchClassifier(load_classifier(model_or_path))


def read_torch_weights(path) -> dict:
    """The tensors of a torch checkpoint as NumPy arrays by name, on any backend.

    The file is read with `weights_only=True`: nothing in it is executed. Of a
    checkpoint with more in it, `state_dict` (or ACL's `P_state`) is taken.

    Args:
        path: a `.pt` or `.pth` file.

    Raises:
        ValueError: it is damaged, holds no weights, or objects that could only be
            executed.
        ImportError: torch is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise ImportError(
            "`path` must be a .npz file where torch is not installed. Received: "
            f"path={str(path)!r}. Save the state_dict with numpy.savez, or install "
            "torch."
        )
    import torch  # on other backends, too

    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, LookupError) as error:
        raise ValueError(
            "`path` must be a torch file that is whole. Received: "
            f"path={str(path)!r}, which is damaged. Download or save it again."
        ) from error
    except pickle.UnpicklingError as error:
        raise ValueError(
            "`path` must hold tensors only: other objects are executed when they are "
            f"read. Received: path={str(path)!r}. Save its state_dict alone."
        ) from error
    for name in ("state_dict", "P_state"):
        if isinstance(stored, dict) and name in stored:
            stored = stored[name]
    tensors = isinstance(stored, dict) and all(map(torch.is_tensor, stored.values()))
    if not tensors or not stored:
        raise ValueError(
            "`path` must hold a state_dict: tensors by name. Received: "
            f"path={str(path)!r}, which holds a {type(stored).__name__}. Save "
            "model.state_dict()."
        )
    return {name: tensor.numpy() for name, tensor in stored.items()}


def _check_backend() -> None:
    if importlib.util.find_spec("torch") is None:
        raise ImportError(
            "`as_torch` needs torch, which is not installed. Install it with pip "
            'install "torch>=2.13", and set KERAS_BACKEND=torch.'
        )
    if backend.NAME != "torch":
        raise ValueError(
            "`KERAS_BACKEND` must be torch where a classifier is to be a torch module. "
            f"Received: KERAS_BACKEND={backend.NAME}. Start a process with "
            "KERAS_BACKEND=torch; the file of a classifier loads on each backend."
        )
