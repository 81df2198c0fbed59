"""The unified memory of a core: single-port SRAM banks behind fixed priorities."""

from collections.abc import Sequence

from amaranth import Array, Cat, Module, Signal, Value
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


class _Place:
    """One access per cycle, which one port has to itself, or several share: the first of them that asks gets it."""

    def __init__(self, config: CoreConfig, name: str, ports: list[Port]):
        self.name, self.ports = name, ports
        self.priority, self.promoted = ports[0].priority, ports[0].promoted
        self.reads, self.writes = (any(getattr(port, kind) for port in ports) for kind in ("reads", "writes"))
        self.valid, self.write = Signal(name=f"{name}_asks"), Signal(name=f"{name}_writes")
        self.address = Signal(config.address_bits, name=f"{name}_address")
        self.bank = self.address[:config.banks.bit_length() - 1]
        self.ready = Signal(name=f"{name}_granted")
        # What is to be written, in the cycle after the access.
        self.write_data = Signal(config.word_bits, name=f"{name}_word")


class BankedMemory(wiring.Component):
    """`banks` single-port banks, interleaved by the low address bits, shared by fixed priority in each bank.

    Args:
        ports: who asks (`golden.ports`); each is a port of this name, with the signature `rtl.ports.port_signature`.

    Ports besides:
        promote_<name>: lifts a port, and those that share its access, to its promoted priority, for when its requests
            have waited long.

    `ready` is combinational from the requests of higher priority and the port's own address; a port is ready exactly
    if no higher one wants its bank, and no higher one asks that it shares its access with. Each bank that is wanted
    does one access per cycle. Only the first port is promised service; every other one waits as long as higher ones
    want its bank, and the requests of the neuron update, being at the top, end when its operations do.

    A granted access goes into a register of its bank: the way to all of its block RAMs, which may be many and far, is
    a cycle of its own. What is written comes a cycle after its access, straight to the bank.

    Latency: `data` holds the word READ_LATENCY cycles after the access, and only then. A read sees all earlier writes.
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
        places = [_Place(self.config, port.name, [other for other in self.requesters
                                                  if port.name in (other.name, other.shares)])
                  for port in self.requesters if not port.shares]
        for place in places:
            self._share(m, place)
        order = self._order(places)
        read_data = []
        for index in range(self.config.banks):
            m.submodules[f"bank_{index}"] = bank = SramBank(self.config)
            word_read = Signal(self.config.word_bits, name=f"bank_{index}_read", reset_less=True)
            m.d.sync += word_read.eq(bank.read_data)
            read_data.append(word_read)
            self._access(m, bank, index, places, order)
        for place in places:
            if place.reads:
                coming, here = (Signal.like(place.bank, name=f"{place.name}_{name}") for name in ("coming", "here"))
                there = Signal.like(place.bank, name=f"{place.name}_there")
                m.d.sync += [coming.eq(place.bank), there.eq(coming), here.eq(there)]
                word = Signal(self.config.word_bits, name=f"{place.name}_read")
                m.d.comb += [word.eq(Array(read_data)[here]),
                             *(getattr(self, port.name).data.eq(word) for port in place.ports)]
        self._ready(m, places, order)
        return m

    def _share(self, m: Module, place: _Place) -> None:
        """The first request among those that share the access of a place."""
        writer = Signal(range(len(place.ports)), name=f"{place.name}_writer", reset_less=True)
        before: list[Value] = []
        for port in place.ports:
            requester = getattr(self, port.name)
            m.d.comb += requester.ready.eq(place.ready & ~Cat(before).any())
            before.append(requester.valid)
        m.d.comb += place.valid.eq(Cat(before).any())
        for number, port in reversed(list(enumerate(place.ports))):
            requester = getattr(self, port.name)
            # The last one where none asks: then it does not matter which.
            first = requester.valid if number < len(place.ports) - 1 else Value.cast(1)
            with m.If(first):
                m.d.comb += place.address.eq(requester.address)
                m.d.comb += place.write.eq(requester.write if port.reads and port.writes else int(not port.reads))
                m.d.sync += writer.eq(number)
        writers = [number for number, port in enumerate(place.ports) if port.writes]
        if writers:
            m.d.comb += place.write_data.eq(getattr(self, place.ports[writers[-1]].name).write_data)
            for number in writers[:-1]:
                with m.If(writer == number):
                    m.d.comb += place.write_data.eq(getattr(self, place.ports[number].name).write_data)

    def _order(self, places: list[_Place]) -> list[tuple[_Place, Value]]:
        """The places in the order of priority, and who asks; one that is promoted is there twice, and asks once."""
        order: list[tuple[int, _Place, Value]] = []
        for place in places:
            asks: Value = place.valid
            if place.promoted is not None:
                lifted = getattr(self, f"promote_{place.name}")
                order.append((place.promoted, place, asks & lifted))
                asks = asks & ~lifted
            order.append((place.priority, place, asks))
        return [(place, asks) for _, place, asks in sorted(order, key=lambda item: item[0])]

    def _ready(self, m: Module, places: list[_Place], order: list[tuple[_Place, Value]]) -> None:
        """Whether nobody before wants the same bank.

        Banks are compared pair by pair, which is known early: a request that is decided late passes few gates to
        everybody's `ready`.
        """
        same: dict[tuple[str, str], Signal] = {}
        for number, place in enumerate(places):
            for other in places[:number]:
                signal = Signal(name=f"same_{other.name}_{place.name}")
                same[other.name, place.name] = same[place.name, other.name] = signal
                m.d.comb += signal.eq(other.bank == place.bank)
        for number, (place, _) in enumerate(order):
            free = ~Cat(asks & same[other.name, place.name]
                        for other, asks in order[:number] if other is not place).any()
            # The promoted place of a port comes before its own.
            if place.promoted is not None and place in (other for other, _ in order[:number]):
                with m.If(~getattr(self, f"promote_{place.name}")):
                    m.d.comb += place.ready.eq(free)
            else:
                m.d.comb += place.ready.eq(free)

    def _access(self, m: Module, bank: SramBank, index: int, places: list[_Place], order: list[tuple[_Place, Value]]
                ) -> None:
        """The access of the first that wants the bank, into its register; what is written goes there a cycle later."""
        select_bits = self.config.banks.bit_length() - 1
        address = Signal(self.config.address_bits - select_bits, name=f"bank_{index}_address", reset_less=True)
        enable, write = Signal(name=f"bank_{index}_enable"), Signal(name=f"bank_{index}_write", reset_less=True)
        writers = [place for place in places if place.writes]
        chosen = Signal(range(len(writers)), name=f"bank_{index}_writer", reset_less=True)
        here = {place: Signal(name=f"bank_{index}_{place.name}") for place in places}
        m.d.comb += [here[place].eq(place.bank == index) for place in places]
        m.d.sync += enable.eq(Cat(place.valid & here[place] for place in places).any())
        for number, (place, asks) in reversed(list(enumerate(order))):
            # Of the last one if none wants it, where any address does.
            first = asks & here[place] if number < len(order) - 1 else Value.cast(1)
            with m.If(first):
                m.d.sync += [address.eq(place.address[select_bits:]), write.eq(place.write)]
        # The first writer of all that ask: one that is granted a write is.
        m.d.sync += chosen.eq(len(writers) - 1)
        for place, asks in reversed([item for item in order if item[0] in writers]):
            with m.If(asks & here[place]):
                m.d.sync += chosen.eq(writers.index(place))
        m.d.comb += [bank.enable.eq(enable), bank.address.eq(address), bank.write.eq(write)]
        with m.Switch(chosen):
            for number, place in enumerate(writers):
                with m.Case(number) if number < len(writers) - 1 else m.Default():
                    m.d.comb += bank.write_data.eq(place.write_data)
