"""Files of strangers: nothing in them is run."""

import zipfile

import keras
import numpy as np
import pytest

import keras_mpat as mpat
from keras_mpat import saved
from keras_mpat.evaluation import Detector, Evidence, LatentSet
from keras_mpat.evaluation.state import State
from tests import toy

BALL = mpat.Linf(0.1)


class Payload:
    """Writes a file where it is unpickled."""

    def __init__(self, path):
        self._path = str(path)

    def __reduce__(self):
        return open, (self._path, "w")


@pytest.fixture
def mark(tmp_path):
    """What a payload would leave behind."""
    return tmp_path / "was_here"


@pytest.fixture
def hostile(tmp_path, mark):
    """A .npz file with a pickled payload under every name that is read."""
    path = tmp_path / "hostile.npz"
    names = "x clean index adversarial sha256 means head data array_0 conv1.weight"
    content = np.array([Payload(mark)], dtype=object)
    np.savez(path, **dict.fromkeys(names.split(), content))
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        np.load(path)["x"]
    return path


@pytest.fixture
def with_lambda(tmp_path):
    """A .keras classifier with a layer of code."""
    inputs = keras.Input((toy.FEATURES,))
    hidden = keras.layers.Lambda(lambda z: z * 2)(inputs)
    path = tmp_path / "lambda.keras"
    keras.Model(inputs, keras.layers.Dense(2)(hidden)).save(path)
    return path


READERS = {
    "detector": Detector.load,
    "latent set": LatentSet.load,
    "published weights": lambda path: mpat.pretraining.load_published(
        mpat.models.resnet18(2, width=4), path
    ),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_pickled_objects_in_npz_are_refused(read, hostile, mark):
    with pytest.raises(ValueError):
        read(hostile)
    assert not mark.exists()


def test_pickled_objects_in_kept_work_are_done_again(tmp_path, hostile, mark):
    folder = tmp_path / "state"
    state = State(folder, {"a": 1})
    hostile.rename(folder / "chunk-000000.npz")
    assert not state.chunk(0, "digest").finished and not mark.exists()


def test_pickled_objects_beside_evidence_are_refused(hostile, mark):
    x, y = toy.data(8)
    result = mpat.evaluation.evaluate_robustness(
        toy.net(), (x, y), mpat.attacks.FGSM(BALL), verbose=False
    )
    assert isinstance(result.evidence, Evidence)
    with pytest.raises(ValueError):
        result.evidence.with_examples(hostile)
    assert not mark.exists()


LOADERS = {
    "evaluation": lambda path: mpat.evaluation.evaluate_robustness(
        path, toy.data(8), mpat.attacks.FGSM(BALL)
    ),
    "audit": lambda path: mpat.evaluation.audit(path, toy.data(8), BALL),
    "transfer": lambda path: mpat.attacks.Transfer(
        mpat.attacks.FGSM(BALL), surrogate=path
    ),
    "initialize": lambda path: mpat.pretraining.initialize(toy.net(), path),
}


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_code_in_a_model_is_not_run(load, with_lambda):
    with pytest.raises(ValueError, match="without running code of the file.*Lambda"):
        load(with_lambda)


@pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)
def test_formats_without_that_protection_are_refused(load, tmp_path):
    path = tmp_path / "net.h5"
    path.write_bytes(b"whatever")
    with pytest.raises(ValueError, match="must be the path of a .keras file: others"):
        load(path)


def test_a_broken_file_and_an_unknown_class_say_what_to_do(tmp_path):
    path = tmp_path / "net.keras"
    path.write_bytes(b"no zip")
    with pytest.raises(
        ValueError, match="`surrogate` must be a .keras file that is whole"
    ):
        saved.load_model("surrogate", path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", "{}")
    with pytest.raises(ValueError, match="`surrogate` must be the path"):
        saved.load_model("surrogate", path)
    toy.Opaque(name="own").save(path)
    with pytest.raises(ValueError, match="register_keras_serializable"):
        saved.load_model("surrogate", path)
    with pytest.raises(ValueError, match="where there is no file"):
        saved.load_model("surrogate", tmp_path / "nothing.keras")


def test_the_chief_of_a_search_listens_on_loopback_unless_told():
    import inspect

    default = inspect.signature(mpat.tuning.search).parameters["oracle_address"].default
    assert default == "127.0.0.1:8000"
