"""The arbiter of the memory: one grant per bank, by priority, and the word that was asked for."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
from amaranth import Cat, Module, Mux, Signal, Value
from amaranth.lib.wiring import In

import rtl.memory
from golden.config import PRESETS, CoreConfig
from golden.ports import PORTS, READ_LATENCY, Port, ports
from rtl.memory import BankedMemory, SramBank
from tests.formal.prover import Observed, prove

CHOSEN, BITS = 5, 4
"""The word of each bank that is modeled, and how many of its bits: the others are treated alike."""


class OneWord(SramBank):
    """A bank that remembers the lowest bits of one word; other words are 0."""

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, word = Module(), Signal(BITS, name="word")
        with m.If(self.enable & self.write & (self.address == CHOSEN)):
            m.d.sync += word.eq(self.write_data)
        with m.If(self.enable & ~self.write):
            m.d.sync += self.read_data.eq(Mux(self.address == CHOSEN, word, 0))
        return m


class Arbiter(Observed):
    """What the docstring of BankedMemory promises."""

    def __init__(self, config: CoreConfig, promised: Sequence[Port] = PORTS, built: Sequence[Port] | None = None):
        super().__init__(BankedMemory(config, promised if built is None else built), {"bank": In(range(config.banks))})
        self.config = config
        self.ports = promised

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, memory, banks = self.connected(), self.block, self.config.banks
        select_bits = banks.bit_length() - 1
        claimed: dict[str, Value] = {}
        # Of ports that share an access the first one that asks has it, and they are promoted together.
        first: dict[str, Value] = {}
        shares = {port.name: port.shares or port.name for port in self.ports}
        places: list[tuple[int, int, str, Value]] = []
        for port in sorted(self.ports, key=lambda port: port.priority):
            earlier = [getattr(memory, other.name).valid for other in self.ports
                       if shares[other.name] == shares[port.name] and other.priority < port.priority]
            first[port.name] = ~Cat(earlier).any()
            valid = getattr(memory, port.name).valid & first[port.name]
            owner = next(other for other in self.ports if other.name == shares[port.name])
            if owner.promoted is None:
                places.append((owner.priority, port.priority, port.name, valid))
            else:
                lifted = getattr(memory, f"promote_{owner.name}")
                places += [(owner.promoted, port.priority, port.name, valid & lifted),
                           (owner.priority, port.priority, port.name, valid & ~lifted)]
        places.sort(key=lambda place: place[:2])
        requesters = {port.name: getattr(memory, port.name) for port in self.ports}
        granted = {name: requester.valid & requester.ready for name, requester in requesters.items()}
        bank_of = {name: requester.address[:select_bits] for name, requester in requesters.items()}
        for number, (*_, name, asks) in enumerate(places):
            higher = [other_asks & (bank_of[other] == bank_of[name]) for *_, other, other_asks in places[:number]]
            ready = getattr(memory, name).ready
            claimed[f"{name}_{number}"] = ~asks | (ready == ~Cat(higher).any())
        # One bank, whichever: no two grants in it.
        here = Cat(granted[port.name] & (bank_of[port.name] == self.bank) for port in self.ports)
        claimed["one_grant"] = (here & (here - 1)[:len(here)]) == 0
        self._words(m, granted, claimed)
        for port in self.ports:
            requester = getattr(memory, port.name)
            claimed[f"{port.name}_waits"] = first[port.name] | ~(requester.valid & requester.ready)
        self.settle(m, [self._constant(m)], claimed)
        return m

    def _constant(self, m: Module) -> Value:
        """That the inputs that choose do so once."""
        started, before = Signal(name="started"), Signal.like(self.bank, name="bank_before")
        m.d.sync += [started.eq(1), before.eq(self.bank)]
        return ~started | (before == self.bank)

    def _words(self, m: Module, granted: dict[str, Value], claimed: dict[str, Value]) -> None:
        """A model of the word at CHOSEN of `bank`, which is accessed a cycle after the grant."""
        word = Signal(BITS, name="model")
        address = self.bank + (CHOSEN << self.config.banks.bit_length() - 1)
        for port in self.ports:
            requester = getattr(self.block, port.name)
            now = granted[port.name] & (requester.address == address)
            writes = requester.write if port.reads and port.writes else Value.cast(int(not port.reads))
            if port.writes:
                stored = Signal(name=f"{port.name}_stored")
                m.d.sync += stored.eq(now & writes)
                with m.If(stored):
                    m.d.sync += word.eq(requester.write_data)
            if port.reads:
                asked, read, here, came, expected = (Signal(bits, name=f"{port.name}_{name}") for name, bits in (
                    ("asked", 1), ("read", 1), ("here", 1), ("came", BITS), ("expected", BITS)))
                assert READ_LATENCY == 3
                m.d.sync += [asked.eq(now & ~writes), read.eq(asked), here.eq(read), came.eq(word), expected.eq(came)]
                claimed[f"{port.name}_data"] = ~here | (requester.data[:BITS] == expected)


@pytest.mark.parametrize(("preset", "skip_silent"), [
    *((preset, 0) for preset in PRESETS), pytest.param("fpga_small", 1, marks=pytest.mark.long)])
def test_arbiter(preset: str, skip_silent: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rtl.memory, "SramBank", OneWord)
    prove(Arbiter(PRESETS[preset], ports(dataclasses.replace(PRESETS[preset], skip_silent=skip_silent))), tmp_path)


def test_another_priority_is_refuted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The weights before the states."""
    monkeypatch.setattr(rtl.memory, "SramBank", OneWord)
    built = [dataclasses.replace(port, priority=5) if port.name == "weight" else port for port in PORTS]
    with pytest.raises(AssertionError, match=r"broken_weight_\d+=1"):
        prove(Arbiter(PRESETS["fpga_small"], built=built), tmp_path)


def test_an_old_word_is_refuted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Banks that write a cycle late give the word from before."""
    class Late(OneWord):
        def elaborate(self, platform):  # type: ignore[no-untyped-def]
            m, word, late = Module(), Signal(BITS, name="word"), Signal(BITS, name="late")
            m.d.sync += word.eq(late)
            with m.If(self.enable & self.write & (self.address == CHOSEN)):
                m.d.sync += late.eq(self.write_data)
            with m.If(self.enable & ~self.write):
                m.d.sync += self.read_data.eq(Mux(self.address == CHOSEN, word, 0))
            return m

    monkeypatch.setattr(rtl.memory, "SramBank", Late)
    with pytest.raises(AssertionError, match=r"broken_\w+_data=1"):
        prove(Arbiter(PRESETS["fpga_small"]), tmp_path)
