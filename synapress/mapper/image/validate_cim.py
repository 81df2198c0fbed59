"""Check of the layers of an image for a core with a compute-in-memory array: every operand stays where it may lie."""

import itertools
from collections.abc import Mapping, Sequence

from golden.cim.layer import LAYER_WORDS, Layer, layer_address, layer_words, operand_index_bits, operand_words
from golden.errors import ImageError
from synapress.mapper.image.checked_words import Reader, check, check_equal


class CimLayers:
    """The descriptors of all populations, read and checked by themselves, and against each other.

    Raises:
        ImageError: a region of the array leaves it or meets another one, or an operand leaves the memory for operands.
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
        self._apart()

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
        for name, rows, groups, given in (
                ("potential_words", layer.potential_rows, layer.groups, layer.potential_words),
                ("weight_words", layer.weight_rows, layer.groups, layer.weight_words),
                ("last_potential_words", layer.potential_rows, layer.last_groups, layer.last_potential_words),
                ("last_weight_words", layer.weight_rows, layer.last_groups, layer.last_weight_words)):
            check_equal(what, name, given, operand_words(rows, layer.columns, groups, config), "what its rows take")
        operands = self.potentials(layer, fields)
        check(what, "blocks, of all positions", operands * self.position_words(layer) // layer.blocks, 1,
              1 << operand_index_bits(config))
        self._within(what, "potential_base", layer.potential_base, operands * layer.potential_words)
        self._within(what, "threshold_base", layer.threshold_base, layer.blocks * layer.potential_words)
        return layer

    @staticmethod
    def potentials(layer: Layer, fields: Mapping[str, int]) -> int:
        """Potential operands of a layer."""
        return int(fields["width"] * fields["height"] * layer.blocks)

    @staticmethod
    def position_words(layer: Layer) -> int:
        """What the geometry word calls the channel words of a position."""
        return 1 << layer.lane_words_log2 if layer.depthwise else layer.blocks

    def _within(self, what: str, field: str, base: int, words: int) -> None:
        check(what, field, base, self._memory.start, self._memory.stop - words)

    def weights(self, what: str, index: int, last: int) -> None:
        """Check that a weight operand, the last one that an edge names, lies in memory, and has a slot."""
        layer = self.layers[index]
        self._within(f"{what}, layer of population {index}", "weight_base", layer.weight_base,
                     (last + 1) * layer.weight_words)

    def _apart(self) -> None:
        """No region lies on another one, or beyond the array; slots have tags, each its own."""
        config, found = self._config, []
        tags: dict[str, list[tuple[int, range]]] = {"potential": [], "weight": []}
        for index, layer in enumerate(self.layers):
            columns = range(layer.base, layer.base + layer.groups * layer.columns)
            for name, row, rows in (("threshold_row", layer.threshold_row, layer.potential_rows),
                                    ("potential_row", layer.potential_row, layer.potential_rows),
                                    ("weight_row", layer.weight_row, layer.weight_rows)):
                check(f"layer words of population {index}", name, row, 0, config.cim_rows - rows)
                found.append((index, name, range(row, row + rows), columns))
            for kind in tags:
                tag = getattr(layer, f"{kind}_tag")
                check(f"layer words of population {index}", f"{kind}_tag", tag, 0, config.cim_tags - 1)
                tags[kind].append((index, range(tag, tag + 1)))
        for (one, _, rows, columns), (other, name, others, beside) in itertools.combinations(found, 2):
            if _meet(rows, others) and _meet(columns, beside):
                raise ImageError(f"layer words of population {other}, field '{name}': row {others.start} lies in a "
                                 f"region of population {one}")
        for kind, places in tags.items():
            for (one, taken), (other, more) in itertools.combinations(places, 2):
                if _meet(taken, more):
                    raise ImageError(f"layer words of population {other}, field '{kind}_tag': {more.start} is a tag of "
                                     f"population {one}")


def _meet(one: range, other: range) -> bool:
    return max(one.start, other.start) < min(one.stop, other.stop)
