"""Check of an edge's tables in an image: headers, pointers, bitmaps and entries stay where they may point."""

from collections.abc import Callable

import numpy as np

from golden.errors import ImageError
from golden.synapse.organisations.interface import POINTER_BITS
from golden.types import Fields, IntArray
from golden.words import TABLE_ORGANISATIONS, layouts
from synapress.mapper.image.checked_words import Reader, check
from synapress.mapper.look_up import NEURON_BITS


def check_tables(reader: Reader, edge: Fields, identifier: int, states: int) -> int:
    """Check the two header words of an edge in tables, and what they lead to.

    Args:
        edge: the fields of its extended edge word.
        states: of its population, pads included.

    Returns:
        The channels of its source.

    Raises:
        ImageError: naming the word, the field, its value and its limits.
    """
    config, what = reader.config, f"tables of ID {identifier}"
    names = {code: name for name, code in TABLE_ORGANISATIONS.items()}
    name = names.get(edge["organisation"], "")
    if name not in config.organisations:
        raise ImageError(f"edge word of ID {identifier}, field 'organisation': {edge['organisation']} is none that the "
                         "core has")
    check(f"edge word of ID {identifier}", "weight_bits", edge["weight_bits"], 1, config.table_weight_bits)
    check(f"edge word of ID {identifier}", "table_base", edge["table_base"], 0, config.memory_words - 2)
    words = layouts(config)
    header = reader.unpack(edge["table_base"], words.table_header, f"header of {what}")
    bases = reader.unpack(edge["table_base"] + 1, words.table_bases, f"bases of {what}")
    check(f"header of {what}", "outputs", header["outputs"], 1, states)
    _CHECKS[name](reader, header | bases | edge, what)
    return header["y_stride"]


def _crossbar(reader: Reader, layer: Fields, what: str) -> None:
    per_word = reader.config.word_bits // layer["weight_bits"]
    least = -(-layer["outputs"] // per_word)
    _region(reader, what, "weight_base", layer["weight_base"], (layer["inputs"] - 1) * layer["row_words"] + least)


def _bitmap(reader: Reader, layer: Fields, what: str) -> None:
    config, inputs, outputs = reader.config, layer["inputs"], layer["outputs"]
    per_word, row = config.word_bits // layer["weight_bits"], -(-outputs // config.word_bits)
    pointers = _pointers(reader, layer, what, inputs)
    size = (inputs - 1) * layer["row_words"] + row
    _region(reader, what, "bitmap_base", layer["bitmap_base"], size)
    words = reader.parts(layer["bitmap_base"], size)
    starts = np.arange(inputs) * layer["row_words"]
    bits = np.unpackbits(words[starts[:, None] + np.arange(row)].reshape(inputs, -1).view(np.uint8), axis=1,
                         bitorder="little")
    if bits[:, outputs:].any():
        raise ImageError(f"{what}: the bitmap has neurons from {outputs} on, of {outputs}")
    slot_bits = config.word_bits.bit_length() - 1
    slots = pointers & ((1 << slot_bits) - 1)
    ones = bits.sum(axis=1)
    wrong = (slots >= per_word) & (ones > 0)
    if wrong.any():
        raise ImageError(f"{what}, pointer {int(np.argmax(wrong))}: weight {int(slots[wrong][0])} of a word of "
                         f"{per_word}")
    last = (pointers >> slot_bits) + (slots + np.maximum(ones, 1) - 1) // per_word
    used = int(last[ones > 0].max(initial=-1)) + 1
    _region(reader, what, "weight_base", layer["weight_base"], used)


def _compressed_rows(reader: Reader, layer: Fields, what: str) -> None:
    pointers = _pointers(reader, layer, what, layer["inputs"] + 1)
    counts = np.diff(pointers)
    wrong = (counts < 0) | (counts > layer["outputs"])
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ImageError(f"{what}, row {row}: {int(counts[row])} entries, of {layer['outputs']} neurons")
    first, behind = int(pointers.min()), int(pointers.max())
    per_word = reader.config.word_bits // POINTER_BITS
    _region(reader, what, "weight_base", layer["weight_base"], -(-behind // per_word))
    entries = _halves(reader, layer["weight_base"], behind)[first:]
    neurons = entries & ((1 << NEURON_BITS) - 1)
    if (neurons >= layer["outputs"]).any():
        raise ImageError(f"{what}: an entry names neuron {int(neurons.max())} of {layer['outputs']}")


_CHECKS: dict[str, Callable[[Reader, Fields, str], None]] = {
    "crossbar": _crossbar, "bitmap": _bitmap, "compressed_rows": _compressed_rows}


def _region(reader: Reader, what: str, field: str, base: int, words: int) -> None:
    if words:
        check(what, field, base, 0, reader.config.memory_words - words)


def _pointers(reader: Reader, layer: Fields, what: str, count: int) -> IntArray:
    per_word = reader.config.word_bits // POINTER_BITS
    _region(reader, what, "index_base", layer["index_base"], -(-count // per_word))
    return _halves(reader, layer["index_base"], count)


def _halves(reader: Reader, first: int, count: int) -> IntArray:
    """Pointers or entries of 32 bits from a word on."""
    words = reader.parts(first, -(-count * POINTER_BITS // reader.config.word_bits))
    return np.ascontiguousarray(words.astype("<u8")).view("<u4").reshape(-1)[:count].astype(np.int64)
