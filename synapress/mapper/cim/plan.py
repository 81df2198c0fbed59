"""The address plan of a core with a compute-in-memory array: a memory map, with operands in memory behind the array.

Words and axons are those of any core (`synapress.mapper.memory_map`), but for what the event-to-synapse unit calls an
address: of a state, the population and the number of its operand; of a weight, the number of its operand. Like the
memory map the plan never refuses: `synapress.mapper.cim.rules` compares it with the hardware.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from golden.cim.layer import LAYER_WORDS, Layer
from golden.cim.operand import Shape, operand_words
from golden.config import CoreConfig
from golden.program import Edge, Program
from synapress.mapper.cim.shapes import LayerShape, Operands, is_depthwise, slot_bits, state_numbers
from synapress.mapper.memory_map import DEPTHWISE, SHARED, EdgeEntry, MemoryMap, PopulationEntry, build_memory_map


@dataclass(frozen=True, kw_only=True)
class CimPopulation(PopulationEntry):
    """A population whose states are operands: what stands for its words of states is its number and theirs."""

    state_number: int
    """State address of its first operand."""

    @property
    def extended(self) -> int:
        return int(self.far)

    @property
    def state_base(self) -> int:
        return self.state_number

    def last_lane(self, config: CoreConfig) -> int:
        """So that the mask of an operation on a last block, of several, lacks a lane (`golden.cim.layer`)."""
        return 0


@dataclass(frozen=True, kw_only=True)
class CimLayer:
    """One layer: its operands, where they lie in the array and where in memory."""

    name: str
    shape: LayerShape
    operands: Operands
    edges: tuple[Edge, ...]
    depthwise: bool
    weight_base: int
    weight_words: int
    """Of one operand; of all blocks."""
    threshold_base: int
    potential_base: int
    potential_words: int

    @property
    def words(self) -> dict[str, int]:
        """Memory words of all operands, by region."""
        return {"weights": self.operands.weights * self.weight_words,
                "thresholds": self.operands.blocks * self.potential_words,
                "potentials": self.operands.potentials * self.potential_words}

    def descriptor(self, config: CoreConfig) -> Layer:
        """What the hardware needs to know of the layer."""
        shape, operands = self.shape, self.operands
        last = [operand_words(Shape(rows, shape.columns), operands.last_groups, config.word_bits)
                for rows in (shape.potential_rows, shape.weight_rows)]
        return Layer(
            columns=shape.columns, base=shape.base, groups=shape.groups, last_groups=operands.last_groups,
            potential_rows=shape.potential_rows, weight_rows=shape.weight_rows, blocks=operands.blocks,
            saturate=int(shape.saturate), potential_row=shape.potential_row,
            potential_slot_bits=slot_bits(shape.potential_slots), potential_tag=shape.potential_tag,
            weight_row=shape.weight_row, weight_slot_bits=slot_bits(shape.weight_slots), weight_tag=shape.weight_tag,
            threshold_row=shape.threshold_row, depthwise=int(self.depthwise),
            lane_words_log2=(operands.lane_words or 1).bit_length() - 1,
            potential_base=self.potential_base, potential_words=self.potential_words,
            threshold_base=self.threshold_base, last_potential_words=last[0],
            weight_base=self.weight_base, weight_words=self.weight_words, last_weight_words=last[1])


@dataclass(frozen=True, kw_only=True)
class CimPlan:
    """Everything of one core."""

    map: MemoryMap
    """Its entries say what the words of populations, edges and axons say. Its `words` end behind the last operand."""
    layers: tuple[CimLayer, ...]
    """In the order of the populations."""

    @property
    def needed(self) -> int:
        """Memory words, with the descriptors of the layers, which lie at the end of the memory."""
        return self.map.words + LAYER_WORDS * len(self.layers)


def build_plan(
    program: Program, config: CoreConfig, shapes: Mapping[str, LayerShape], *, host: tuple[int, int] = (1, 0)
) -> CimPlan:
    """The plan of a whole program on one core.

    Args:
        shapes: by population, of all that are no inputs.
        host: relative core address of the host.
    """
    plain = build_memory_map(program, config, pad=False, host=host)
    address = 2 * len(plain.populations) + len(plain.edges)
    populations: list[CimPopulation] = []
    layers: list[CimLayer] = []
    edges: dict[int, EdgeEntry] = {}
    for item in plain.populations:
        shape = shapes[item.population.name]
        mine = [edge for edge in plain.edges if edge.edge.destination == item.population.name]
        operands = Operands.of(item.population, [edge.edge for edge in mine], [edge.source_depth for edge in mine],
                               shape.groups, config)
        given = {field.name: getattr(item, field.name) for field in fields(item)}
        populations.append(CimPopulation(**given | {
            "base": address, "table_words": 0, "parameters": 0, "parameter_size": 1, "pad": 0, "room": 0,
            "apart": None, "depth_words": operands.position_words,
            "state_number": item.index * state_numbers(config)}))
        address = populations[-1].parameter_base
        layer = CimLayer(
            name=item.population.name, shape=shape, operands=operands, edges=tuple(edge.edge for edge in mine),
            depthwise=bool(operands.lane_words), weight_base=0, threshold_base=0, potential_base=0,
            weight_words=operand_words(Shape(shape.weight_rows, shape.columns), shape.groups, config.word_bits),
            potential_words=operand_words(Shape(shape.potential_rows, shape.columns), shape.groups, config.word_bits))
        layers.append(layer)
        unit = config.word_bits // 8 // (1 if layer.depthwise else config.lanes)
        for number, edge in enumerate(mine):
            edges[edge.id] = replace(
                edge, kind=DEPTHWISE if is_depthwise(edge.edge) else SHARED, rows=(), table_words=(), channel_words=(),
                weight_base=operands.first_weights[number] // unit, uniform=False,
                weight_stride=operands.weight_strides[number] * (1 if layer.depthwise else config.lanes))
    for number, layer in enumerate(layers):
        words = layer.words
        layers[number] = replace(layer, weight_base=address, threshold_base=address + words["weights"],
                                 potential_base=address + words["weights"] + words["thresholds"])
        address += sum(words.values())
    return CimPlan(layers=tuple(layers), map=replace(
        plain, populations=tuple(populations), edges=tuple(edges[item.id] for item in plain.edges), words=address))
