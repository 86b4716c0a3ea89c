"""examples/boards.py where something that TensorBoard needs is not installed."""

import importlib.util
import types

import boards
import pytest


@pytest.mark.parametrize("missing", ["tensorboard", "tensorflow"])
def test_without_them_nothing_is_written_or_one_sentence_says_why(
    missing, tmp_path, monkeypatch
):
    """JAX may stand beside TensorBoard without TensorFlow, which Keras writes with."""
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *rest: None if name == missing else found(name, *rest),
    )
    run = types.SimpleNamespace(path=tmp_path)
    assert boards.boards(run, None, None, adversarial=False) == []
    with pytest.raises(ImportError, match=f"--board needs {missing}: pip install"):
        boards.boards(run, None, None, adversarial=True)
