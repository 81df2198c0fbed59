"""A network on a mesh: cores, what fills and what limits each, and how loaded the links are, as one report."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from golden.config import CoreConfig
from golden.program import Program
from golden.types import Place
from synapress.mapper.footprint import image_footprint
from synapress.mapper.image.mesh import MeshImage
from synapress.mapper.network.network import Network
from synapress.mapper.partition.fragments import PartitionedProgram
from synapress.mapper.pipeline import Compilation, run
from synapress.mapper.placement.bin_packing import LIMITS, Pins
from synapress.mapper.placement.place import Placement
from synapress.mapper.placement.routes import Link, link_loads
from synapress.mapper.sharing.packing import Sharing
from synapress.mapper.throughput.options import Throughput
from synapress.mapper.throughput.prediction import Prediction, predict
from synapress.mapper.throughput.work import assumed
from synapress.reports.footprint import IMAGE_PARTS
from synapress.reports.tables import Sheet


@dataclass(frozen=True, kw_only=True, eq=False)
class MappedNetwork:
    """A mapped network and what there is to say of it."""

    program: PartitionedProgram
    placement: Placement
    images: MeshImage
    fill: dict[Place, dict[str, int]]
    """Words by core and category, see `synapress.mapper.image.schemas.CATEGORIES`."""
    loads: dict[Link, int]
    """Estimated events per frame by link, see `synapress.mapper.placement.routes.link_loads`."""
    prediction: Prediction
    """Expected cycles per frame."""
    sharing: Sharing | None = None
    """What sharing states gives and costs, if it was asked for."""

    @property
    def hops(self) -> float:
        """Links that an event takes on average."""
        return sum(self.loads.values()) / max(1, sum(self.placement.links.values()))

    def fragments(self, core: Place) -> list[str]:
        return [name for name, place in self.placement.places.items() if place == core]

    def to_json(self) -> dict[str, Any]:
        return {
            "network": self.program.program.name, "config": self.program.config.to_json(),
            "placement": self.placement.to_json(),
            "cores": [{"core": list(core), "words": words, "fragments": self.fragments(core),
                       "limiting": self.placement.limiting(core)} for core, words in self.fill.items()],
            "cycles": self.prediction.to_json(),
            **({} if self.sharing is None else {"sharing": self.sharing.to_json()}),
            "link_loads": [{"from": list(source), "to": list(destination), "events": events}
                           for (source, destination), events in self.loads.items()],
        }


def map_network(
    network: Network | Program, config: CoreConfig, size: tuple[int, int] | None = None, *, host: Place | None = None,
    pins: Pins | None = None, pad: bool = True, throughput: Throughput | None = None,
    share_states: str | None = None, progress: Callable[[str], None] = lambda _: None,
) -> MappedNetwork:
    """`synapress.mapper.compile_mesh`, which has the arguments and errors, and what the report needs."""
    work = run(Compilation(
        source=network, config=config, mesh=True if size is None else size, host=host, pins=pins, pad=pad,
        throughput=throughput, share_states=share_states, progress=progress))
    result, placed, images = work.parts, work.placement, work.image
    assert isinstance(result, PartitionedProgram) and isinstance(images, MeshImage) and placed is not None
    fill = {core: image_footprint(image).words for core, image in images.images.items()}
    return MappedNetwork(program=result, placement=placed, images=images, fill=fill,
                         loads=link_loads(placed.links, placed.size), prediction=predict(
                             result, placed.places, assumed(result.program), balanced=work.balanced),
                         sharing=work.sharing)


# -- tables ------------------------------------------------------------------------------------


def tables(mapped: MappedNetwork) -> list[Sheet]:
    """The report for people: the whole, the cores, the busiest links."""
    return [_whole(mapped), _cores(mapped), cycles_sheet(mapped.prediction),
            links_sheet(mapped.loads, mapped.placement.host)]


def _whole(mapped: MappedNetwork) -> Sheet:
    placed, config = mapped.placement, mapped.program.config
    columns, rows = placed.size
    table = Sheet(title=f"{mapped.program.program.name} on {columns} × {rows} cores ({config.name})", headings=("", ""))
    words = sum(sum(parts.values()) for parts in mapped.fill.values())
    room = len(mapped.fill) * config.memory_words
    limits = Counter(placed.limiting(core) for core in placed.used)
    table.add_row("populations, fragments", f"{len(mapped.program.grids):,}, {len(mapped.program.hosted):,}")
    table.add_row("cores in use, fewest by sums", f"{len(placed.used):,}, {placed.fewest:,}")
    table.add_row("memory in use", f"{words:,} of {room:,} words ({words / room:.1%})")
    table.add_row("cores by most-utilized resource",
                  ", ".join(f"{name}: {count}" for name, count in limits.most_common()))
    table.add_row("events × hops per frame, estimated", f"{placed.cost:,}")
    table.add_row("row by row instead", f"{placed.row_major_cost:,} ({placed.gain:.2f} times as many)")
    table.add_row("hops of an event", f"{mapped.hops:.2f}")
    if mapped.sharing is not None:
        sharing, word = mapped.sharing, config.word_bits // 8
        for name, (before, after) in (
                ("neuron memory", tuple(f"{count * word / 2**20:.2f} MB" for count in sharing.states)),
                ("cores", sharing.cores), ("most timesteps in flight", sharing.in_flight)):
            table.add_row(f"{name} without and with shared states", f"{before}, {after}")
    return table


def _cores(mapped: MappedNetwork) -> Sheet:
    placed, room = mapped.placement, mapped.program.config.memory_words
    table = Sheet(
        title="Cores",
        headings=("core", "states", "weights", "parameters", "connectivity", "words", "IDs", "populations", "ends",
                  "most utilized", "fragments"),
        left=(0, 10), caption="Shares of the core's memory, and of its event IDs, "
                   "populations and ends of timestep.")
    known = ("states", "weights", "parameters")
    for core, words in mapped.fill.items():
        used = placed.used[core]
        names = mapped.fragments(core)
        connectivity = sum(count for name, count in words.items() if name not in known)
        table.add_row(
            f"({core[0]}, {core[1]})", *(f"{words[name] / room:.1%}" for name in known), f"{connectivity / room:.1%}",
            f"{sum(words.values()) / room:.1%}",
            *(f"{used[name]} of {placed.available[name]}" for name in LIMITS if name != "words"), placed.limiting(core),
            ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else ""))
    return table


def cycles_sheet(prediction: Prediction, most: int = 16) -> Sheet:
    """Expected cycles of the busiest cores, and the interval."""
    found = sorted(prediction.cores.items(), key=lambda item: -item[1].busy)
    table = Sheet(
        title=f"Cycles per frame of the {min(most, len(found))} busiest of {len(found)} cores",
        headings=("core", "updates", "of them word operations", "lanes used", "evaluation"),
        caption="Estimate, by word operations and beats of events at an expected activity. The bounds are those of the "
                "busiest core, of one fragment's taking and sending, and of a core's evaluations.")
    lanes = prediction.lanes
    for core, item in found[:most]:
        table.add_row(f"({core[0]}, {core[1]})", f"{item.busy:,.0f}", f"{item.word_ops:,.0f}",
                      f"{item.synapses / max(1.0, item.word_ops * lanes):.1%}", f"{item.evaluation:,.0f}")
    table.add_section()
    bounds = prediction.bounds
    how = "bounds" if prediction.flight is None else "frames in flight"
    for name, value in ((f"interval, by {how}", f"{prediction.interval:,.0f}"),
                        ("bounds", " / ".join(f"{value:,.0f}" for value in vars(bounds).values())),
                        (f"synaptic operations ÷ ({prediction.allowed} cores · {lanes} lanes)",
                         f"{prediction.ideal:,.0f}"), ("interval ÷ that", f"{prediction.ratio:.3f}")):
        table.add_row(name, value, "", "", "")
    return table


def links_sheet(loads: Mapping[Link, int], host: Place, most: int = 8) -> Sheet:
    """The links with the most events; `loads` are sorted, see `synapress.mapper.placement.routes.link_loads`."""
    table = Sheet(
        title=f"The {min(most, len(loads))} busiest of {len(loads)} links in use",
        headings=("from", "to", "events per frame"),
        caption="Estimate: every neuron with a synapse on an axon fires once; routes along x, then y.")
    for (source, destination), events in list(loads.items())[:most]:
        table.add_row(*("host" if end == host else str(end) for end in (source, destination)), f"{events:,}")
    return table


def picture_parts(mapped: MappedNetwork) -> dict[str, Any]:
    """What `synapress.reports.plots.mesh_picture` shows of it."""
    room, placed = mapped.program.config.memory_words, mapped.placement
    fill = {core: {part: sum(words[name] for name in names if name in words) / room
                   for part, names in IMAGE_PARTS.items() if part != "padding"} for core, words in mapped.fill.items()}
    labels = {core: "\n".join(mapped.fragments(core)[:3]) for core in mapped.fill}
    return {
        "title": f"{mapped.program.program.name}: {len(placed.used)} of {placed.size[0]} × {placed.size[1]} cores",
        "size": placed.size, "host": placed.host, "fill": fill, "labels": labels, "links": mapped.loads,
    }
