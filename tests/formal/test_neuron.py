"""The neuron update loses no update: a word is never read while a write to it is on its way."""

from pathlib import Path

import pytest
from amaranth import Cat, Const, Module, Mux, Signal, Value

from golden.config import CoreConfig
from rtl.neuron import update
from rtl.neuron.update import NeuronUpdate
from tests.formal.prover import Observed, prove

WORD = 5
"""The state word that is watched; no other is special to the unit."""


class Narrow(CoreConfig):
    """A core whose words are too narrow for connectivity, which the neuron update does not look at."""

    def __post_init__(self) -> None:
        pass


class EveryUpdateCounts(Observed):
    """Operations on WORD add the same `v` to lane 0, those on other words anything; weights are 1, grants arbitrary.

    Claimed: a read of WORD finds no update of it under way; its write-back is what was read, and `v`; and an idle unit
    has none under way. So the word at the end is the sum of all updates that read it.
    """

    ADDED = 3

    def __init__(self, config: CoreConfig, assumed: bool = True):
        super().__init__(NeuronUpdate(config))
        self.config, self.assumed = config, assumed

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        config, unit = self.config, self.block
        word = Signal(config.state_bits, name="word")
        asked, read_here, here = Signal(name="asked"), Signal(name="read_here"), Signal(name="here")
        loaded, arrived = Signal(config.state_bits, name="loaded"), Signal(config.state_bits, name="arrived")
        data = Mux(here, arrived, Value.cast(self.state__data))
        # A word is there in its cycle alone.
        coming, near, comes = (Signal(name=f"weights_{name}") for name in ("coming", "near", "come"))
        ones = Cat(Const(1, config.weight_bits) for _ in range(config.word_bits // config.weight_bits))
        m: Module = self.connected({"weight__data": Mux(comes, ones, Value.cast(self.weight__data)),
                                    "state__data": data})
        m.d.sync += [coming.eq(unit.weight.valid & unit.weight.ready), near.eq(coming), comes.eq(near)]
        op = unit.op.payload
        read = unit.state.valid & unit.state.ready & (unit.state.address == WORD)
        written = unit.write_back.valid & (unit.write_back.address == WORD)
        lane = unit.write_back.write_data[:config.state_bits]
        under_way, before = Signal(name="under_way"), Signal(config.state_bits, name="before")
        # The memory does an access a cycle after it was granted.
        stored = Signal(name="stored")
        m.d.sync += [asked.eq(read), read_here.eq(asked), here.eq(read_here), loaded.eq(word), arrived.eq(loaded),
                     stored.eq(written),
                     under_way.eq(read | (under_way & ~written))]
        with m.If(asked):
            m.d.sync += before.eq(word)
        with m.If(stored):
            m.d.sync += word.eq(lane)
        mine = op.state_address == WORD
        self.shown |= {"read": read, "written": written, "stored": stored, "lane": lane, "word": word,
                       "under_way": under_way}
        alike = ~unit.op.valid | ~mine | ((op.v == self.ADDED) & op.mask[0] & ~op.max)
        self.settle(m, [alike] if self.assumed else [], {
            "read_early": ~(read & under_way),
            "written_once": ~written | under_way,
            "sum": ~stored | (lane == (before + self.ADDED)[:config.state_bits]),
            "busy": ~under_way | unit.busy,
        })
        return m


def narrow() -> CoreConfig:
    """One lane of 8 bits, 8 words in 2 banks."""
    return Narrow(name="narrow", lanes=1, state_bits=8, value_bits=3, address_bits=3, banks=2, product_shift_bits=0)


@pytest.fixture(autouse=True)
def short_queues(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the proof is about does not depend on how many operations wait in front of it."""
    for name in ("OPERATION_QUEUE", "WEIGHT_REQUESTS", "WEIGHT_WORDS"):
        monkeypatch.setattr(update, name, 2)


def test_no_update_is_lost(tmp_path: Path) -> None:
    prove(EveryUpdateCounts(narrow()), tmp_path)


def test_another_sum_is_refuted(tmp_path: Path) -> None:
    """Updates of the word that add something else. What breaks the rest are mutants (`studies.mutations`)."""
    with pytest.raises(AssertionError, match="broken_sum=1"):
        prove(EveryUpdateCounts(narrow(), assumed=False), tmp_path)
