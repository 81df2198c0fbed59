"""Slots of the array: many visits at once as one by one."""

import numpy as np

from golden.cim.residency import NOBODY, Slots


def one_by_one(held: dict[int, tuple[int, bool]], slots: int, operands: list[int], writes: list[bool]
               ) -> tuple[list[int], list[int]]:
    """Operands loaded and stored; `held` has operand and dirty by slot."""
    loaded, stored = [], []
    for operand, writing in zip(operands, writes, strict=True):
        before, dirty = held.get(operand % slots, (NOBODY, False))
        if before != operand:
            loaded.append(operand)
            stored += [before] if dirty else []
            dirty = False
        held[operand % slots] = operand, dirty or writing
    return loaded, stored


def test_many_visits_are_single_ones(seed: int) -> None:
    rng = np.random.default_rng([seed, 34])
    loads = stores = hits = 0
    for _ in range(60):
        bits = int(rng.integers(0, 4))
        slots, held = Slots(bits), dict[int, tuple[int, bool]]()
        for _ in range(6):
            operands = rng.integers(0, rng.integers(1, 20), rng.integers(0, 30))
            writes = rng.random(len(operands)) < rng.choice([0, .3, 1])
            loaded, stored = slots.visit_all(operands, writes)
            wanted = one_by_one(held, 1 << bits, operands.tolist(), writes.tolist())
            assert (sorted(loaded.tolist()), sorted(stored.tolist())) == (sorted(wanted[0]), sorted(wanted[1]))
            assert {slot: (int(slots.held[slot]), bool(slots.dirty[slot])) for slot in held} == held
            assert len(held) == int((slots.held != NOBODY).sum())
            loads, stores, hits = loads + len(loaded), stores + len(stored), hits + len(operands) - len(loaded)
            if rng.random() < .2:
                assert slots.flush().tolist() == [operand for _, (operand, dirty) in sorted(held.items()) if dirty]
                held.clear()
    assert min(loads, stores, hits) > 100
