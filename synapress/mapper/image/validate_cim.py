"""Check of the layers of an image for a core with a compute-in-memory array: every operand stays where it may lie."""

import itertools
from collections.abc import Mapping, Sequence

from golden.cim.layer import LAYER_WORDS, Layer, layer_address, layer_words, operand_index_bits
from golden.cim.operand import operand_words
from golden.errors import ImageError
from golden.words import EdgeKind
from synapress.mapper.image.checked_words import Reader, check, check_equal

_Place = tuple[int, str, range, range]
"""Population, field that says where it begins, rows or tags, and columns."""


class CimLayers:
    """The descriptors of all populations, each read and checked by itself.

    Raises:
        ImageError: a field leaves its limits, or operands leave the memory for operands.
    """

    def __init__(self, reader: Reader, first: int, populations: Sequence[Mapping[str, int]]):
        """
        Args:
            first: word behind those of populations and edges.
            populations: fields of the population words.
        """
        self._config = reader.config
        self._memory = range(first, reader.config.memory_words - LAYER_WORDS * len(populations))
        check("image", "populations, with their layers' words", len(self._memory), 0, reader.config.memory_words)
        self.layers = [self._layer(reader, index, fields) for index, fields in enumerate(populations)]
        self._potentials = [fields["width"] * fields["height"] * layer.blocks
                            for layer, fields in zip(self.layers, populations, strict=True)]
        self._weights = [1] * len(populations)

    def _layer(self, reader: Reader, index: int, fields: Mapping[str, int]) -> Layer:
        config, what = self._config, f"layer words of population {index}"
        words = []
        for number, layout in enumerate(layer_words(config)):
            address = layer_address(index, config) + number
            reader.unpack(address, layout, what)
            words.append(reader.word(address))
        layer = Layer.unpack(words, config)
        check(what, "base", layer.base, 0, config.cim_columns - layer.groups * layer.columns)
        check(what, "blocks", layer.blocks, 1, 1 if layer.depthwise else fields["depth"])
        check(what, "last_groups", layer.last_groups, 1, layer.groups)
        check_equal(what, "groups", (layer.blocks - 1) * layer.groups + layer.last_groups, fields["depth"],
                    "the depth of its population")
        check(what, "weight_rows", layer.weight_rows, 1, layer.potential_rows)
        for name, shape, groups, given in (
                ("potential_words", layer.potential, layer.groups, layer.potential_words),
                ("weight_words", layer.weight, layer.groups, layer.weight_words),
                ("last_potential_words", layer.potential, layer.last_groups, layer.last_potential_words),
                ("last_weight_words", layer.weight, layer.last_groups, layer.last_weight_words)):
            check_equal(what, name, given, operand_words(shape, groups, config.word_bits), "what its rows take")
        operands = fields["width"] * fields["height"] * layer.blocks
        check(what, "blocks, of all positions", operands * self.position_words(layer) // layer.blocks, 1,
              1 << operand_index_bits(config))
        self._within(what, "potential_base", layer.potential_base, operands * layer.potential_words)
        self._within(what, "threshold_base", layer.threshold_base, layer.blocks * layer.potential_words)
        return layer

    @staticmethod
    def position_words(layer: Layer) -> int:
        """What the geometry word calls the channel words of a position."""
        return 1 << layer.lane_words_log2 if layer.depthwise else layer.blocks

    def _within(self, what: str, field: str, base: int, words: int) -> None:
        check(what, field, base, self._memory.start, self._memory.stop - words)

    def geometry(self, index: int, fields: Mapping[str, int]) -> dict[str, int]:
        """What the geometry word of a population must say."""
        layer = self.layers[index]
        words = self.position_words(layer)
        return {"depth_words": words, "state_base": index << operand_index_bits(self._config),
                "width": fields["width"], "height": fields["height"], "x_stride": fields["height"] * words, "pad": 0,
                "max": 0, "last_lane": 0}

    def edge(self, what: str, index: int, edge: Mapping[str, int]) -> None:
        """Check that an edge names weight operands of its layer that lie in memory."""
        config, layer = self._config, self.layers[index]
        depthwise = edge["kind"] == EdgeKind.DEPTHWISE
        check_equal(what, "kind", edge["kind"], EdgeKind.DEPTHWISE if layer.depthwise else EdgeKind.DENSE,
                    "that of its layer")
        check_equal(what, "shift", edge["shift"], 0, "what a core with an array does")
        unit = 1 if depthwise else config.lanes
        first = (edge["weight_base"] << config.byte_bits) // unit
        stride, odd = divmod(edge["weight_stride"], unit)
        check_equal(what, "weight_stride", odd if not depthwise else stride, 0, "what is left over by its operands")
        check_equal(what, "weight_base, modulo the blocks of its layer", first % layer.blocks, 0, "that of block 0")
        last = first + (edge["source_channels"] - 1) * stride - 1
        last += edge["kernel_width"] * edge["kernel_height"] * layer.blocks
        self._weights[index] = max(self._weights[index], last + 1)
        self._within(f"layer words of population {index}", "weight_base", layer.weight_base,
                     self._weights[index] * layer.weight_words)

    def check_regions(self) -> None:
        """Check that no region lies on another one, or beyond the array, and that every slot has a tag of its own.

        Raises:
            ImageError: one does not.
        """
        config = self._config
        places: dict[str, list[_Place]] = {"row": [], "potential_tag": [], "weight_tag": []}
        for index, layer in enumerate(self.layers):
            what = f"layer words of population {index}"
            columns = range(layer.base, layer.base + layer.groups * layer.columns)
            places["row"].append((index, "threshold_row", _range(layer.threshold_row, layer.potential_rows), columns))
            for kind, rows, operands in (("potential", layer.potential_rows, self._potentials[index]),
                                         ("weight", layer.weight_rows, self._weights[index])):
                slots = min(1 << getattr(layer, f"{kind}_slot_bits"), operands)
                row, tag = getattr(layer, f"{kind}_row"), getattr(layer, f"{kind}_tag")
                places["row"].append((index, f"{kind}_row", _range(row, slots * rows), columns))
                places[f"{kind}_tag"].append((index, f"{kind}_tag", _range(tag, slots), range(1)))
            for part, most in (("row", config.cim_rows), ("potential_tag", config.cim_tags),
                               ("weight_tag", config.cim_tags)):
                for owner, name, taken, _ in places[part]:
                    if owner == index:
                        check(what, name, taken.start, 0, most - len(taken))
        for found in places.values():
            for (one, _, taken, columns), (other, name, others, beside) in itertools.combinations(found, 2):
                if _meet(taken, others) and _meet(columns, beside):
                    raise ImageError(f"layer words of population {other}, field '{name}': {others.start} lies in a "
                                     f"region of population {one}")


def _range(start: int, length: int) -> range:
    return range(start, start + length)


def _meet(one: range, other: range) -> bool:
    return max(one.start, other.start) < min(one.stop, other.stop)
