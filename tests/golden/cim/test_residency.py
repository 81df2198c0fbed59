"""Slots of the array: many visits at once as one by one."""

import numpy as np

from golden.cim.residency import Slots


def test_many_visits_are_single_ones(seed: int) -> None:
    rng = np.random.default_rng([seed, 34])
    loads = stores = hits = 0
    for _ in range(60):
        bits = int(rng.integers(0, 4))
        one, many = Slots(bits), Slots(bits)
        for _ in range(6):
            operands = rng.integers(0, rng.integers(1, 20), rng.integers(0, 30))
            writes = rng.random(len(operands)) < rng.choice([0, .3, 1])
            single = [one.visit(operand, bool(writing))
                      for operand, writing in zip(operands.tolist(), writes, strict=True)]
            loaded, stored = many.visit_all(operands, writes)
            assert sorted(loaded.tolist()) == sorted(
                operand for operand, (load, _) in zip(operands.tolist(), single, strict=True) if load)
            assert sorted(stored.tolist()) == sorted(gone for _, gone in single if gone >= 0)
            assert one.held.tolist() == many.held.tolist() and one.dirty.tolist() == many.dirty.tolist()
            loads, stores, hits = loads + len(loaded), stores + len(stored), hits + len(operands) - len(loaded)
            if rng.random() < .2:
                assert one.flush().tolist() == many.flush().tolist() and not many.dirty.any()
    assert min(loads, stores, hits) > 100
