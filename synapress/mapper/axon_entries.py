"""Axons of the address plan: where the events of an edge, or of an output, go, and which neurons send them."""

from dataclasses import dataclass

import numpy as np

from golden.config import CoreConfig
from golden.program import Edge, LookUpEdge, Population
from golden.types import Pair


@dataclass(frozen=True, kw_only=True)
class AxonEntry:
    """The fields of an axon word, and the range of its anchors over all neurons of the source."""

    fields: dict[str, int]
    anchors: tuple[Pair, Pair]
    """Lowest and highest x_min, and y_min, whether sent or not."""
    extent: Pair
    """True extent of the kernel in x and y; the field may hold a coarser one."""


def log2(value: int) -> int:
    """log2, rounded down."""
    return value.bit_length() - 1


def axon_entry(
    edge: Edge, source: Population, destination: Population, config: CoreConfig, identifier: int, core: tuple[int, int]
) -> AxonEntry:
    """The axon of one edge: X_off = XP + 1 - extent [B §4.2]; where fragments start is part of the padding.

    An event of an edge in tables says which neuron of the whole source has fired.
    """
    if isinstance(edge, LookUpEdge):
        named = Edge(name=edge.name, source=edge.source, destination=edge.destination, padding=edge.origin,
                     weights=np.ones((1, 1, 1, 1), np.int64))
        whole = Population(name=edge.source, shape=(edge.weights.shape[1], *edge.extent))
        return axon_entry(named, source, whole, config, identifier, core)
    dilated = max(edge.dilation) > 1
    stride = 0 if dilated else log2(edge.stride[0])
    coarse = 1 << config.kernel_bits
    highest = (1 << config.axon_extent_bits) - 1
    fields: dict[str, int] = {}
    anchors, extents = [], []
    for i, axis in enumerate("xy"):
        extent = (edge.weights.shape[2 + i] - 1) * edge.dilation[i] + 1
        offset = edge.padding[i] + 1 - extent
        reach = ((source.shape[1 + i] - 1) << edge.upsample) + offset
        limit = ((destination.shape[1 + i] << stride) - (1 << stride)) >> config.extent_unit_log2
        if limit > highest:  # a smaller limit that no neuron exceeds does as well
            limit = min(limit, max(reach, 0) >> config.extent_unit_log2)
        fields |= {f"{axis}_offset": offset, f"{axis}_limit": limit}
        anchors.append((offset, reach))
        extents.append(extent)
    return AxonEntry(
        fields=fields | {
            "c_offset": 0, "kernel_width": min(extents[0], coarse), "kernel_height": min(extents[1], coarse),
            "upsample": edge.upsample, "stride": stride, "core_x": core[0], "core_y": core[1], "id": identifier,
        },
        anchors=(anchors[0], anchors[1]), extent=(extents[0], extents[1]))


def output_axon_entry(population: Population, identifier: int, config: CoreConfig, host: tuple[int, int]
                      ) -> AxonEntry:
    """The axon of an output to the host, which takes the neurons as they are."""
    identity = Edge(name=f"{population.name}->host", source=population.name, destination=population.name,
                    weights=np.ones((1, 1, 1, 1), np.int64), groups=population.shape[0])
    return axon_entry(identity, population, population, config, identifier, host)


def is_far(axon: AxonEntry, config: CoreConfig) -> bool:
    """Whether an axon leads to a core that its first word does not reach; a credit must find its way back."""
    return max(abs(axon.fields[name]) for name in ("core_x", "core_y")) > config.near_mesh_reach
