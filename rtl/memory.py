"""The unified memory of a core: single-port SRAM banks behind fixed priorities."""

from amaranth import Array, Const, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from rtl.ports import MemoryPort, ReadPort

REQUESTERS = ("write_back", "state", "weight", "descriptor", "axon", "evaluation", "host")
"""The ports of BankedMemory, highest priority first."""


class WritePort(wiring.Signature):
    """A requester's view of the memory, writing whole words: a word is taken when `valid & ready`."""

    def __init__(self, config: CoreConfig):
        super().__init__({
            "valid": Out(1), "ready": In(1), "address": Out(config.address_bits), "write_data": Out(config.word_bits),
        })


class SramBank(wiring.Component):
    """One bank: a single-port synchronous SRAM of memory_words / banks words. Replace this class by an SRAM macro.

    Ports:
        enable, write: one access per cycle, reading or writing a whole word; there are no byte enables.
        address: word within the bank. write_data: word to write.
        read_data: the word read in the cycle before; holds no promise after a write or an idle cycle.

    Nothing may rely on the initial contents, which are zeros here for repeatable simulation.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        self.depth = config.memory_words // config.banks
        super().__init__({
            "enable": In(1), "write": In(1), "address": In(range(self.depth)),
            "write_data": In(config.word_bits), "read_data": Out(config.word_bits),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        m.submodules.array = array = memory.Memory(shape=self.config.word_bits, depth=self.depth, init=[])
        read, write = array.read_port(), array.write_port()
        # Never both at once, so that synthesis folds the two into the one port of a block RAM.
        m.d.comb += [
            read.en.eq(self.enable & ~self.write), read.addr.eq(self.address), self.read_data.eq(read.data),
            write.en.eq(self.enable & self.write), write.addr.eq(self.address), write.data.eq(self.write_data),
        ]
        return m


class BankedMemory(wiring.Component):
    """`banks` single-port banks, interleaved by the low address bits, shared by fixed priority in each bank.

    Ports, highest priority first (`REQUESTERS`):
        write_back: WritePort, never refused.
        state, weight, descriptor, axon: ReadPort.
        evaluation, host: MemoryPort.
        promote_evaluation: lifts evaluation above weight (for when its requests have waited long).

    `ready` is combinational from the requests of higher priority and the port's own address; a port is ready exactly
    if no higher one wants its bank. Each bank that is wanted does one access per cycle. Only write_back is promised
    service; every other port waits as long as higher ones want its bank, and the requests of the neuron update, being
    at the top, end when its operations do.

    Latency: `data` holds the word in the cycle after the access, and only then. A read sees all earlier writes.
    Throughput: one access per bank and cycle. The layout of the states and the write-back delay (rtl.neuron.update)
    keep the reads, write-backs and weights of a running convolution on different banks.

    One memory for states, weights and connectivity: Bamberg et al., arXiv 2112.07019, section 4; the banking and the
    priorities are this project's.
    """

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__({
            "write_back": In(WritePort(config)), "state": In(ReadPort(config)), "weight": In(ReadPort(config)),
            "descriptor": In(ReadPort(config)), "axon": In(ReadPort(config)), "evaluation": In(MemoryPort(config)),
            "host": In(MemoryPort(config)), "promote_evaluation": In(1),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        select_bits = self.config.banks.bit_length() - 1
        ports = {name: getattr(self, name) for name in REQUESTERS}
        evaluation = ports["evaluation"]
        # Evaluation has two places in the order, and asks in one of them.
        order = ["write_back", "state", "promoted", "weight", "descriptor", "axon", "evaluation", "host"]
        source = {**ports, "promoted": evaluation}
        asks = {name: port.valid for name, port in ports.items()}
        asks["promoted"] = evaluation.valid & self.promote_evaluation
        asks["evaluation"] = evaluation.valid & ~self.promote_evaluation
        unclaimed = {name: Signal(self.config.banks, name=f"unclaimed_{name}") for name in order}
        read_data = []

        for index in range(self.config.banks):
            m.submodules[f"bank_{index}"] = bank = SramBank(self.config)
            read_data.append(bank.read_data)
            wants = {name: Signal(name=f"bank_{index}_{name}") for name in order}
            claimed: Value = Const(0)
            for name in order:
                m.d.comb += [
                    wants[name].eq(asks[name] & (source[name].address[:select_bits] == index)),
                    unclaimed[name][index].eq(~claimed),
                ]
                claimed = claimed | wants[name]
            # The host by default: in a bank that nobody wants, any address does.
            host = ports["host"]
            address, write, write_data = host.address, host.write, host.write_data
            for name in reversed(order[:-1]):
                port = source[name]
                address = Mux(wants[name], port.address, address)
                write = Mux(wants[name], getattr(port, "write", Const(name == "write_back", 1)), write)
                if hasattr(port, "write_data"):
                    write_data = Mux(wants[name], port.write_data, write_data)
            m.d.comb += [
                bank.enable.eq(claimed), bank.address.eq(address[select_bits:]), bank.write.eq(write),
                bank.write_data.eq(write_data),
            ]

        for name, port in ports.items():
            select = port.address[:select_bits]
            m.d.comb += port.ready.eq(unclaimed[name].bit_select(select, 1))
            if name == "evaluation":
                with m.If(self.promote_evaluation):
                    m.d.comb += port.ready.eq(unclaimed["promoted"].bit_select(select, 1))
            if name != "write_back":
                read_select = Signal(select_bits, name=f"{name}_bank")
                m.d.sync += read_select.eq(select)
                m.d.comb += port.data.eq(Array(read_data)[read_select])
        return m
