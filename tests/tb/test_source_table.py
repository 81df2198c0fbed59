"""The look-up tables at the source in simulation: see tb/tb_source_table.py."""

from functools import cache
from typing import Any

import pytest

from golden.synapse.organisations.interface import Sizes
from rtl.synapse.tables.flat import Flat
from rtl.synapse.tables.routing import Routing
from rtl.synapse.tables.source import SourceTable
from synapress.tools.simulator import launch

TABLES: dict[str, type[SourceTable]] = {"flat": Flat, "routing": Routing}
SIZES = {"serial": {"serial": 1}, "wide, slow": {"word_bits": 128, "read_latency": 3, "value_bits": 12}}


@cache
def table(name: str, sizes: Sizes) -> SourceTable:
    """One component per name and sizes, so that it is converted once (`launch`)."""
    return TABLES[name](sizes)


def run(name: str, simulator: str, seed: int, sizes: dict[str, int] | None = None, **options: Any) -> None:
    sizes = {"address_bits": 10, **(sizes or {})}
    launch(table(name, Sizes(**sizes)), name=name, module="tb.tb_source_table", simulator=simulator, seed=seed,
           parameters={"name": name, "sizes": sizes, "neurons": 400, **options})


@pytest.mark.parametrize("name", TABLES)
def test_random_neurons(name: str, simulator: str, seed: int) -> None:
    """Stalls of neurons, memories and events, and tables with fields of random bits."""
    run(name, simulator, seed, neuron="rarely", memory="randomly", event="randomly")


@pytest.mark.parametrize("name", TABLES)
def test_cycles(name: str, seed: int) -> None:
    """Nothing waits: every neuron in the cycles that the golden model says, which asserts the throughput."""
    run(name, "verilator", seed)


@pytest.mark.long
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES.keys())
@pytest.mark.parametrize("name", TABLES)
def test_other_sizes(name: str, sizes: dict[str, int], seed: int) -> None:
    run(name, "verilator", seed, sizes, neurons=3000)
    run(name, "verilator", seed + 1, sizes, neurons=3000, memory="bursts", event="rarely")
    run(name, "verilator", seed + 2, sizes, neurons=3000, neuron="bursts", event="mostly")
