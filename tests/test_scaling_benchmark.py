"""tests/benchmarks/scaling.py: the model of many accelerators."""

import pytest

from tests.benchmarks import scaling

ASSUMED = {"parameters": 1e6, "speed": 1e12, "bandwidth": 1e9, "latency": 0.0}


def test_two_devices_exchange_each_gradient_once():
    """4 MB over 1 GB/s beside a second of computing."""
    found = scaling.efficiency(2, flops=1e12, **ASSUMED)
    assert found == pytest.approx(1 / 1.004)


def test_alone_nothing_is_lost_and_more_devices_lose_more():
    found = [
        scaling.efficiency(n, flops=1e10, **{**ASSUMED, "latency": 1e-4})
        for n in (1, 2, 8, 64, 512)
    ]
    assert found[0] == 1.0
    assert found == sorted(found, reverse=True)
    assert found[-1] == pytest.approx(0.01 / (0.01 + 0.008 * 511 / 512 + 0.0018))


def test_an_attack_hides_what_meeting_costs():
    assert [scaling.passes(steps) for steps in (1, 7)] == [5, 17]
    for row in scaling.modelled():
        assert row["clean"] <= row["fast"] <= row["pgd7"] < 1
