"""The breakages of `breakages.py` still fit the code that they break."""

import pytest

from tests.breakages import MUTATIONS
from tests.mutations import REPOSITORY


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.title.replace(" ", "-"))
def test_the_line_is_there_once(mutation):
    path = REPOSITORY / "keras_mpat" / mutation.file
    assert path.read_text(encoding="utf-8").count(mutation.old) == 1
    assert mutation.old != mutation.new
    files = [part for part in mutation.tests.split() if part.endswith(".py")]
    assert files and all((REPOSITORY / test).exists() for test in files)
