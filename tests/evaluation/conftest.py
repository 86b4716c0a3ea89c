"""What the tests of pictures share."""

import importlib
import pkgutil

import pytest


@pytest.fixture
def figures(monkeypatch):
    """The figures that are drawn from here on."""
    plots = pytest.importorskip(
        "keras_mpat.evaluation.plots", exc_type=ImportError, reason="needs matplotlib"
    )
    drawn = []
    for found in pkgutil.iter_modules(plots.__path__):
        module = importlib.import_module(f"{plots.__name__}.{found.name}")
        real = vars(module).get("Figure")
        if real is None:
            continue

        def figure(*arguments, real=real, **options):
            drawn.append(real(*arguments, **options))
            return drawn[-1]

        monkeypatch.setattr(module, "Figure", figure)
    return drawn
