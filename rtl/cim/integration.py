"""How the compute-in-memory array is joined to the rest of a core."""

from amaranth import Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import connect

from golden.registers import CIM_COUNTERS


def connect_array(
    m: Module, host: wiring.Component, update: wiring.Component, evaluation: wiring.Component
) -> dict[str, Value]:
    """Scans and their answers between the evaluation and the update unit, and flushes of the host.

    Returns:
        What the counters of the array add up.
    """
    connect(m, evaluation.scan, update.scan)
    connect(m, update.answer, evaluation.answer)
    m.d.comb += [update.flush.eq(host.flush), host.flushed.eq(update.flushed)]
    return {name: getattr(update, name) for name in CIM_COUNTERS}
