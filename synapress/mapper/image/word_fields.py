"""The fields of the words that a memory map is written as."""

from golden.config import CoreConfig
from golden.fields import WordLayout
from golden.program import LookUpEdge
from golden.words import TABLE_ORGANISATIONS, EdgeKind, NeuronType, layouts
from synapress.mapper.axon_entries import log2
from synapress.mapper.memory_map import DEPTHWISE, LOOK_UP, SHARED, TABLE, EdgeEntry, PopulationEntry

EDGE_KINDS = {SHARED: EdgeKind.DENSE, DEPTHWISE: EdgeKind.DEPTHWISE, TABLE: EdgeKind.TABLE,
              LOOK_UP: EdgeKind.EXTENDED}
"""Each kind of edge in an edge word."""


def population_fields(plan: PopulationEntry) -> dict[str, int]:
    """Fields of a population word."""
    population = plan.population
    return {
        "base": plan.base, "width": population.shape[1], "height": population.shape[2], "depth": population.shape[0],
        "type": population.type, "saturation": population.saturation, "uniform": int(plan.parameters == 1),
        "pad": plan.pad, "axons": len(plan.axons), "incoming": plan.incoming, "extended": plan.extended,
    }


def geometry_fields(plan: PopulationEntry, config: CoreConfig) -> dict[str, int]:
    """Fields of a geometry word: where the edges into a population find its states."""
    _, width, height = plan.population.shape
    return {
        "depth_words": plan.depth_words, "last_lane": plan.last_lane(config), "state_base": plan.state_base,
        "width": width, "height": height, "x_stride": plan.x_stride, "pad": plan.pad,
        "max": int(plan.population.type == NeuronType.MAX),
    }


def edge_layout(plan: EdgeEntry, config: CoreConfig) -> WordLayout:
    """The layout of an edge word."""
    return layouts(config).extended_edge if plan.kind == LOOK_UP else layouts(config).edge


def edge_fields(plan: EdgeEntry, destination: PopulationEntry, config: CoreConfig) -> dict[str, int]:
    """Fields of an edge word, of `edge_layout`."""
    edge = plan.edge
    if plan.tables is not None:
        return {
            "table_base": plan.table_base, "organisation": TABLE_ORGANISATIONS[plan.tables.organisation],
            "weight_bits": plan.tables.weight_bits, "state_base": destination.state_base,
            "kind": EDGE_KINDS[LOOK_UP], "shift": edge.shift, "population": destination.index,
        }
    dilated = max(edge.dilation) > 1
    return {
        "source_channels": plan.source_depth, "kernel_width": edge.weights.shape[2],
        "kernel_height": edge.weights.shape[3],
        "weight_base": plan.table_base if plan.kind == TABLE else plan.weight_base,
        "weight_stride": plan.weight_stride, "step": log2(max(edge.dilation) if dilated else edge.stride[0]),
        "dilated": int(dilated), "kind": EDGE_KINDS[plan.kind],
        "shift": edge.product_shift(config), "population": destination.index,
    }


def table_fields(plan: EdgeEntry, config: CoreConfig) -> list[dict[str, int]]:
    """Fields of an edge's kernel table words, by source channel; empty without a table."""
    width, height = plan.edge.weights.shape[2:]
    fields, base = [], plan.weight_base
    for (first, count, _), words, size in zip(plan.rows, plan.table_words, plan.channel_words, strict=True):
        if not count:
            fields.append({"kernel_width": 1, "kernel_height": 1, "depth_words": 1, "last_lane": 0,
                           "weight_base": plan.weight_base + plan.weight_words - 1, "first_channel": 0})
            continue
        fields.append({
            "kernel_width": width, "kernel_height": height, "depth_words": words,
            "last_lane": (first + count - 1) % config.lanes, "weight_base": base, "first_channel": first,
        })
        base += size
    return fields


def header_fields(plan: EdgeEntry) -> tuple[dict[str, int], dict[str, int]]:
    """Fields of the two header words of an edge in tables: table_header and table_bases."""
    assert plan.tables is not None and isinstance(plan.edge, LookUpEdge)
    x_stride, y_stride = plan.edge.strides
    header = {"inputs": plan.tables.inputs, "outputs": plan.tables.outputs, "x_stride": x_stride, "y_stride": y_stride}
    return header, plan.tables.bases(plan.weight_base)
