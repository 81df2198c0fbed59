"""Changes of what stands behind look-up tables, and of the layers that are served whole."""

from studies.mutants import Mutation

INCREMENTS = "tests/tb/test_accumulate.py::test_random_increments"
SERVED = "tests/engines/test_served.py::test_hierarchical_table"

_TABLES = "rtl/synapse/tables"
SERVED_MUTATIONS = (
    Mutation("accumulation: an increment of another word joins the sums", f"{_TABLES}/accumulate.py",
             "Mux(gathered.valid & ~other, gathered.sums[number], 0)", "Mux(gathered.valid, gathered.sums[number], 0)",
             INCREMENTS),
    Mutation("accumulation: sums of the last cycles are not taken", f"{_TABLES}/accumulate.py",
             "Mux(held.valid & (held.address == last.address),", "Mux(0,", INCREMENTS),
    Mutation("accumulation: the oldest sum goes before newer ones", f"{_TABLES}/accumulate.py",
             "for held in reversed(written)", "for held in written", INCREMENTS),
    Mutation("accumulation: a sum fewer is remembered", f"{_TABLES}/accumulate.py",
             "for number in range(sizes.read_latency + 1)]", "for number in range(sizes.read_latency)]", INCREMENTS),
    Mutation("accumulation: a read that waits loses its sums", f"{_TABLES}/accumulate.py",
             "(address == gathered.address) | self.state.ready", "(address == gathered.address) | 1", INCREMENTS),
    Mutation("accumulation: what was gathered last stays", f"{_TABLES}/accumulate.py",
             "(other | (self.drain & ~self.increment.valid))", "other", INCREMENTS),
    Mutation("hierarchical layer: drains while synapses come", f"{_TABLES}/layers.py",
             "self.drain & ~table.busy & ~rows.busy & ~valid", "self.drain", SERVED),
    Mutation("hierarchical layer: a row without the route's ID", f"{_TABLES}/layers.py", "Cat(event.tag, event.id)",
             "event.tag[1:]", SERVED),
    Mutation("hierarchical layer: a product is lost while the one before waits", f"{_TABLES}/layers.py",
             "free = ~valid | accumulate.increment.ready", "free = valid | ~valid", SERVED),
    Mutation("compressed rows: upper bits of a neuron are left out", "rtl/synapse/organisations/walk.py",
             "Cat(given.neuron, given.spare[:more])", "given.neuron", SERVED),
)
SERVED_WHERE: dict[str, list[str]] = {INCREMENTS: ["-k", "verilator"], SERVED: []}
