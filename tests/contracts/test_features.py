"""Each feature of Keras works with each strategy, or is refused by name."""

import inspect
from pathlib import Path

import pytest

from tests.contracts import write_features
from tests.contracts.features_table import FEATURES, REFUSED, STRATEGIES

_IDS = {name: name.replace("`", "").replace(" ", "-") for name in FEATURES}


@pytest.mark.one_backend
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("feature", FEATURES, ids=_IDS.get)
def test_features(feature, strategy, tmp_path):
    row = FEATURES[feature]
    arguments = (STRATEGIES[strategy], tmp_path)
    arguments = arguments[: len(inspect.signature(row).parameters)]
    reason = REFUSED.get((feature, strategy))
    if reason is None:
        return row(*arguments)
    with pytest.raises(ValueError, match=reason):
        row(*arguments)


def test_the_readme_shows_this_table():
    readme = Path(__file__).resolve().parents[2] / "README.md"
    text = readme.read_text(encoding="utf-8")
    assert write_features.updated(text) == text, (
        "run python -m tests.contracts.write_features"
    )
