"""The network of a host's accesses to the nodes of a mesh: stations, and what answers behind the last one."""

from amaranth import Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out, connect, flipped

from golden.config import CoreConfig
from golden.noc.access import COUNTS, OUTSTANDING, counted, missing_answer
from rtl.ports import request_layout
from rtl.skid import Relay
from rtl.words import struct


class AccessStation(wiring.Component):
    """One station: an access is for what is `here` if its count is 0, else it goes on with a count that is one less.

    Readings are answered in the order in which they came in: one that goes another way than those before it waits until
    they are answered. So at any time answers come from one side, and need no arbiter. A write waits for none.

    Args:
        count: which field is counted, of `golden.noc.access.COUNTS`; `here` gets the access without it.

    Ports:
        given: stream of accesses (`golden.noc.access.counted`). back: stream of the words read, in order.
        here, on: streams of accesses. here_back, on_back: streams of the words that were read there.
        empty: no access waits here, and none that passed waits for its answer.

    Latency: one cycle for an access, one for an answer. Throughput: one of each in two cycles, which is as fast as a
    core writes words.
    Back-pressure: no input reaches an output within a cycle. After OUTSTANDING readings an answer must come.
    """

    def __init__(self, config: CoreConfig, count: str):
        self.config, self.count = config, count
        self.layout = struct(counted(config, count))
        later = COUNTS[COUNTS.index(count) + 1:]
        inner = struct(counted(config, later[0])) if later else request_layout(config)
        word = stream.Signature(unsigned(config.word_bits))
        super().__init__({
            "given": In(stream.Signature(self.layout)), "back": Out(word),
            "here": Out(stream.Signature(inner)), "here_back": In(word),
            "on": Out(stream.Signature(self.layout)), "on_back": In(word),
            "empty": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        m.submodules.request = request = Relay(self.layout)
        m.submodules.answer = answer = Relay(unsigned(self.config.word_bits))
        access, left = request.held, request.held.payload[self.count]
        waiting = Signal(range(OUTSTANDING + 1), name="waiting")
        """Readings that have passed and are not answered yet; all went on, or none."""
        went_on, goes_on, passes, reads = (
            Signal(name=name) for name in ("went_on", "goes_on", "passes", "reads"))
        asked, answered, from_on, from_here = (
            Signal(name=name) for name in ("asked", "answered", "from_on", "from_here"))
        m.d.comb += [
            goes_on.eq(left.any()), reads.eq(access.valid & ~access.payload.write),
            passes.eq(access.valid & (access.payload.write | (waiting == 0)
                                      | ((went_on == goes_on) & (waiting != OUTSTANDING)))),
            self.on.valid.eq(passes & goes_on), self.here.valid.eq(passes & ~goes_on),
            access.ready.eq(passes & Mux(goes_on, self.on.ready, self.here.ready)),
            *(self.on.payload[name].eq(access.payload[name]) for name, _ in self.layout),
            *(self.here.payload[name].eq(access.payload[name]) for name, _ in self.here.payload.shape()),
            self.on.payload[self.count].eq(left - 1),
            asked.eq(access.ready & reads), answered.eq(answer.given.valid & answer.given.ready),
            self.empty.eq(~access.valid & ~answer.held.valid & (waiting == 0)),
            from_on.eq((waiting != 0) & went_on), from_here.eq((waiting != 0) & ~went_on),
            answer.given.valid.eq((from_on & self.on_back.valid) | (from_here & self.here_back.valid)),
            answer.given.payload.eq(Mux(went_on, self.on_back.payload, self.here_back.payload)),
            self.on_back.ready.eq(answer.given.ready & from_on),
            self.here_back.ready.eq(answer.given.ready & from_here),
        ]
        m.d.sync += waiting.eq(waiting + asked - answered)
        with m.If(asked):
            m.d.sync += went_on.eq(goes_on)
        connect(m, flipped(self.given), request.given)
        connect(m, answer.held, flipped(self.back))
        return m


class AccessEnd(wiring.Component):
    """Behind the last station: drops writes and answers readings, so that no host waits for a node that is not there.

    Ports:
        given: stream of accesses (`golden.noc.access.counted`). back: stream of `golden.noc.access.missing_answer`.
        error: an access was taken in the cycle before.

    Latency: one cycle. Throughput: one access in two cycles.
    """

    def __init__(self, config: CoreConfig, count: str):
        self.config = config
        super().__init__({
            "given": In(stream.Signature(struct(counted(config, count)))),
            "back": Out(stream.Signature(unsigned(config.word_bits))), "error": Out(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m, valid = Module(), Signal(name="valid")
        taken = self.given.valid & ~valid
        m.d.comb += [self.given.ready.eq(~valid), self.back.valid.eq(valid),
                     self.back.payload.eq(missing_answer(self.config))]
        m.d.sync += [valid.eq(Mux(valid, ~self.back.ready, taken & ~self.given.payload.write)), self.error.eq(taken)]
        return m
