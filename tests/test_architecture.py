"""The package keeps its architecture, and the rules that say so do bite."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture_rules import MAX_LINES, violations

REPOSITORY = Path(__file__).resolve().parent.parent

BROKEN = {
    "higher floor": (
        "losses/soft_triple.py",
        "from keras_mpat.layers import SoftTripleHead",
        "`layers` is on a higher floor than `losses`",
    ),
    "higher floor, from the package": (
        "attacks/pgd.py",
        "from keras_mpat import training",
        "`training` is on a higher floor than `attacks`",
    ),
    "higher floor, plain import": (
        "training/strategy.py",
        "import keras_mpat.models.adversarial_model as am",
        "`models` is on a higher floor than `training`",
    ),
    "higher floor, relative": (
        "layers/heads/pair.py",
        "from ...callbacks import PrototypeMerging",
        "`callbacks` is on a higher floor than `layers`",
    ),
    "higher floor, inside a function": (
        "models/lenet.py",
        "def f():\n    from ..evaluation.plots import show",
        "keras_mpat/models/lenet.py:2: imports keras_mpat.evaluation.plots.show",
    ),
    "higher floor, by name": (
        "backend.py",
        "import importlib\nimportlib.import_module('keras_mpat.attacks')",
        "`attacks` is on a higher floor than `backend`",
    ),
    "facade": (
        "training/free.py",
        "from keras_mpat import Linf",
        "name the module that holds it",
    ),
    "else of TYPE_CHECKING": (
        "objectives.py",
        "if TYPE_CHECKING:\n    pass\nelse:\n    from keras_mpat import models",
        "`models` is on a higher floor",
    ),
    "not TYPE_CHECKING": (
        "objectives.py",
        "if not TYPE_CHECKING:\n    from keras_mpat import models",
        "`models` is on a higher floor",
    ),
    "evaluation loads data": (
        "evaluation/driver.py",
        "from keras_mpat.datasets import load",
        "`evaluation` is handed data",
    ),
    "datasets leans on the package": (
        "datasets/mnist.py",
        "from keras_mpat.backend import noise",
        "`datasets` imports only `choices`, `pipelines`, `version`",
    ),
    "top-level scripts": ("tuning/space.py", "import examples.train", "no top-level"),
    "unknown module": ("helpers.py", "", "`helpers` stands on no floor"),
    "tensorflow": (
        "attacks/pgd.py",
        "import tensorflow as tf",
        "imported in backend.py and pipelines.py and replicas.py and datasets/ only",
    ),
    "jax": ("training/free.py", "from jax import numpy", "backend.py only"),
    "torch": ("datasets/load.py", "import torch.nn", "backend.py and interop.py only"),
    "tensorflow_datasets": (
        "backend.py",
        "def f():\n    import tensorflow_datasets as tfds",
        "datasets/ only",
    ),
    "keras_tuner": ("callbacks/merging.py", "import keras_tuner", "tuning/ only"),
    "matplotlib": (
        "evaluation/report.py",
        "import matplotlib.pyplot as plt",
        "evaluation/plots/ only",
    ),
    "sklearn elsewhere": (
        "models/lenet.py",
        "def f():\n    import sklearn",
        "datasets/ and evaluation/ and tuning/ only",
    ),
    "sklearn at module level": (
        "datasets/digits.py",
        "class Digits:\n    from sklearn.datasets import load_digits",
        "inside functions only",
    ),
    "assert": ("objectives.py", "def f(x):\n    assert x", "objectives.py:2: `assert`"),
    "too long": ("noise.py", "\n" * (MAX_LINES + 1), "251 lines, 250 allowed"),
}

KEPT = {
    "lower floors": (
        "models/adversarial_model.py",
        "import keras\nfrom keras_mpat.backend import loop\n"
        "from keras_mpat import losses, objectives\nfrom ..training import strategy",
    ),
    "same floor and same unit": (
        "attacks/__init__.py",
        "from keras_mpat.attacks.pgd import PGD\nfrom .mim import MIM\nfrom ..layers "
        "import SoftTripleHead",
    ),
    "facade": (
        "__init__.py",
        "from keras_mpat import datasets, models\nfrom . import x",
    ),
    "type hints": (
        "attacks/base.py",
        "import typing\nif typing.TYPE_CHECKING:\n    from keras_mpat import models",
    ),
    "tuning loads data": ("tuning/search.py", "from keras_mpat.datasets import load"),
    "datasets": (
        "datasets/digits.py",
        "import tensorflow as tf\nimport tensorflow_datasets\nfrom ..version import v\n"
        "from keras_mpat.choices import check_choice\n"
        "def f():\n    import sklearn",
    ),
    "backend": ("backend.py", "import jax\nimport tensorflow\nimport torch"),
    "a torch module": ("interop.py", "import torch\nfrom keras_mpat import evaluation"),
    "plots": ("evaluation/plots/curves.py", "from matplotlib import pyplot"),
    "names that only begin alike": (
        "losses/n_pair.py",
        "import tensorflow_probability, jaxtyping, keras_mpat_extras",
    ),
    "exactly long enough": ("noise.py", "\n" * MAX_LINES),
}

# Runs after Keras, which loads some optional packages itself where they are
# installed: the finder sees only what keras_mpat asks for on top of that.
LIGHT_IMPORT = """
import sys
import keras

OPTIONAL = {"matplotlib", "sklearn", "tensorflow_datasets", "keras_tuner"}
for name in [n for n in sys.modules if n.partition(".")[0] in OPTIONAL]:
    del sys.modules[name]
asked = []

class Finder:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in OPTIONAL:
            asked.append(name)
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Finder)
import keras_mpat
sys.exit("keras_mpat imports " + ", ".join(asked) if asked else 0)
"""


@pytest.mark.parametrize("path, source, reason", BROKEN.values(), ids=BROKEN.keys())
def test_each_broken_rule_is_reported(path, source, reason):
    found = violations(f"keras_mpat/{path}", source)
    assert len(found) == 1
    assert reason in found[0]


@pytest.mark.parametrize("path, source", KEPT.values(), ids=KEPT.keys())
def test_what_the_rules_allow_is_not_reported(path, source):
    assert violations(f"keras_mpat/{path}", source) == []


def test_every_file_of_the_package_keeps_the_rules():
    files = sorted((REPOSITORY / "keras_mpat").rglob("*.py"))
    assert files
    found = []
    for file in files:
        path = file.relative_to(REPOSITORY).as_posix()
        found += violations(path, file.read_text(encoding="utf-8"))
    assert not found, "\n" + "\n".join(found)


def test_import_needs_no_optional_package():
    process = subprocess.run(
        [sys.executable, "-c", LIGHT_IMPORT],
        cwd=REPOSITORY,
        env=os.environ,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stderr
