"""The unified memory of a core: single-port SRAM banks behind fixed priorities."""

from collections.abc import Sequence

from amaranth import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from golden.config import CoreConfig
from golden.ports import PORTS, Port
from rtl.ports import port_signature


class Sram(wiring.Component):
    """A single-port synchronous SRAM of `depth` words. Replace this class by an SRAM macro.

    Args:
        attributes: of the memory, for synthesis.

    Ports:
        enable, write: one access per cycle, reading or writing a whole word; there are no byte enables.
        address: word. write_data: word to write.
        read_data: the word read in the cycle before; holds no promise after a write or an idle cycle.

    Nothing may rely on the initial contents, which are zeros here for repeatable simulation.
    """

    def __init__(self, width: int, depth: int, attributes: dict[str, str] | None = None):
        self.width, self.depth, self.attributes = width, depth, attributes
        super().__init__({
            "enable": In(1), "write": In(1), "address": In(range(depth)), "write_data": In(width),
            "read_data": Out(width),
        })

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        m.submodules.array = array = memory.Memory(
            shape=self.width, depth=self.depth, init=[], attrs=self.attributes)
        read, write = array.read_port(), array.write_port()
        # Never both at once, so that synthesis folds the two into the one port of a block RAM.
        m.d.comb += [
            read.en.eq(self.enable & ~self.write), read.addr.eq(self.address), self.read_data.eq(read.data),
            write.en.eq(self.enable & self.write), write.addr.eq(self.address), write.data.eq(self.write_data),
        ]
        return m


class SramBank(Sram):
    """One bank of the memory: memory_words / banks words."""

    def __init__(self, config: CoreConfig):
        self.config = config
        super().__init__(config.word_bits, config.memory_words // config.banks)


class BankedMemory(wiring.Component):
    """`banks` single-port banks, interleaved by the low address bits, shared by fixed priority in each bank.

    Args:
        ports: who asks (`golden.ports`); each is a port of this name, with the signature `rtl.ports.port_signature`.

    Ports besides:
        promote_<name>: lifts a port to its promoted priority, for when its requests have waited long.

    `ready` is combinational from the requests of higher priority and the port's own address; a port is ready exactly
    if no higher one wants its bank. Each bank that is wanted does one access per cycle. Only the first port is promised
    service; every other one waits as long as higher ones want its bank, and the requests of the neuron update, being
    at the top, end when its operations do.

    Latency: `data` holds the word `latency` cycles after the access (1 or 2, as `golden.ports` says), and only then. A
    read sees all earlier writes.
    Throughput: one access per bank and cycle. The layout of the states and the write-back delay (rtl.neuron.update)
    keep the reads, write-backs and weights of a running convolution on different banks.

    One memory for states, weights and connectivity: Bamberg et al., arXiv 2112.07019, section 4; the banking and the
    priorities are this project's.
    """

    def __init__(self, config: CoreConfig, ports: Sequence[Port] = PORTS):
        self.config, self.requesters = config, sorted(ports, key=lambda port: port.priority)
        super().__init__(
            {port.name: In(port_signature(port, config)) for port in self.requesters}
            | {f"promote_{port.name}": In(1) for port in self.requesters if port.promoted is not None})

    def elaborate(self, platform):  # type: ignore[no-untyped-def]
        m = Module()
        banks, select_bits = self.config.banks, self.config.banks.bit_length() - 1
        order, asks = self._order()
        read_data = []
        for index in range(banks):
            m.submodules[f"bank_{index}"] = bank = SramBank(self.config)
            read_data.append(bank.read_data)
            wants = {place: Signal(name=f"bank_{index}_{place}") for place, _ in order}
            m.d.comb += [wants[place].eq(asks[place] & (self._bank(port) == index)) for place, port in order]
            m.d.comb += bank.enable.eq(Cat(wants.values()).any())
            self._access(m, bank, index, order, wants)

        ready = self._ready(m, order, asks)
        for port in self.requesters:
            requester = getattr(self, port.name)
            select = self._bank(port)
            m.d.comb += requester.ready.eq(ready[port.name])
            if port.promoted is not None:
                with m.If(getattr(self, f"promote_{port.name}")):
                    m.d.comb += requester.ready.eq(ready[f"promoted_{port.name}"])
            if port.reads:
                read_select = Signal(select_bits, name=f"{port.name}_bank")
                m.d.sync += read_select.eq(select)
                word = Array(read_data)[read_select]
                if port.latency == 2:
                    m.d.sync += requester.data.eq(word)
                else:
                    m.d.comb += requester.data.eq(word)
        return m

    def _order(self) -> tuple[list[tuple[str, Port]], dict[str, Value]]:
        """Places in the order of priority, and who asks in each; a port that is promoted has two, and asks in one."""
        places: list[tuple[int, str, Port]] = []
        asks: dict[str, Value] = {}
        for port in self.requesters:
            places.append((port.priority, port.name, port))
            asks[port.name] = valid = getattr(self, port.name).valid
            if port.promoted is not None:
                promoted, lifted = getattr(self, f"promote_{port.name}"), f"promoted_{port.name}"
                places.append((port.promoted, lifted, port))
                asks[port.name], asks[lifted] = valid & ~promoted, valid & promoted
        return [(place, port) for _, place, port in sorted(places, key=lambda item: item[0])], asks

    def _bank(self, port: Port) -> Value:
        """The bank that a port's address is in."""
        return getattr(self, port.name).address[:self.config.banks.bit_length() - 1]

    def _ready(self, m: Module, order: list[tuple[str, Port]], asks: dict[str, Value]) -> dict[str, Value]:
        """Whether nobody before wants the same bank, by place.

        Banks are compared pair by pair, which is known early: a request that is decided late, as those of the neuron
        update are, passes few gates to everybody's `ready`.
        """
        result: dict[str, Value] = {}
        before: list[tuple[str, Port]] = []
        same: dict[tuple[str, str], Signal] = {}
        for place, port in order:
            for _, other in before:
                if other is not port and (pair := (other.name, port.name)) not in same:
                    same[pair] = same[pair[::-1]] = Signal(name=f"same_{other.name}_{port.name}")
                    m.d.comb += same[pair].eq(self._bank(other) == self._bank(port))
            result[place] = ~Cat(asks[name] & same[other.name, port.name]
                                 for name, other in before if other is not port).any()
            before.append((place, port))
        return result

    def _access(self, m: Module, bank: SramBank, index: int, order: list[tuple[str, Port]], wants: dict[str, Signal]
                ) -> None:
        """The access of the first port that wants the bank; of the last one if none does, where any address does."""
        address: Value = Const(0)
        write: Value = Const(0)
        write_data: Value = Const(0)
        for number, (place, port) in enumerate(reversed(order)):
            requester = getattr(self, port.name)
            wanted = wants[place] if number else Const(1, 1)
            address = Mux(wanted, requester.address, address)
            write = Mux(wanted, requester.write if port.reads and port.writes else int(not port.reads), write)
            if port.writes:
                # While a port that only writes holds its write back, nobody else writes to its bank.
                chosen = wanted if port.reads else requester.early & (self._bank(port) == index)
                write_data = Mux(chosen, requester.write_data, write_data)
        m.d.comb += [
            bank.address.eq(address[self.config.banks.bit_length() - 1:]), bank.write.eq(write),
            bank.write_data.eq(write_data),
        ]
