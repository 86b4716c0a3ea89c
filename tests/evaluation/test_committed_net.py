"""Our attacks on a net that lies in this folder: the verdicts they gave before.

Convolutions round differently on other processors, and an example at the very edge may
fall to the other side: one verdict of thirty may differ, two of a hundred.
"""

import pytest

from tests.evaluation import committed_net


def differences(suite, count):
    """How many verdicts of each row differ from the stored ones."""
    found, before = committed_net.attacked(suite, count), committed_net.stored()[suite]
    assert found.keys() == before.keys()
    return {
        name: sum(a != b for a, b in zip(row, before[name], strict=True))
        for name, row in found.items()
    }


def test_stored_verdicts_are_a_hundred_and_fall_from_part_to_part():
    rows = committed_net.stored()["AutoAttack"]
    assert {len(row) for row in rows.values()} == {100}
    left = [rows[name].count("1") for name in rows if name not in ("clean", "robust")]
    assert left == sorted(left, reverse=True)
    assert rows["robust"].count("1") == left[-1] < rows["clean"].count("1")
    assert left[-1] >= 80


def test_apgd_and_fab_judge_as_before():
    found = differences(committed_net.QUICK, committed_net.FEW)
    assert found["clean"] == 0 and max(found.values()) <= 1


@pytest.mark.slow
def test_autoattack_judges_as_before():
    found = differences("AutoAttack", 100)
    assert found["clean"] == 0 and max(found.values()) <= 2
