"""What the packers of the organisations share: checks of a matrix, and integers side by side in memory words."""

import numpy as np
import numpy.typing as npt

from golden.errors import FieldRangeError, ImageError, NetworkError
from golden.synapse.organisations.interface import POINTER_BITS, Sizes, layer_layout
from golden.types import Array, Fields, IntArray, Words


def checked(matrix: npt.ArrayLike, *, weight_bits: int, sizes: Sizes) -> IntArray:
    """The matrix as integers.

    Raises:
        NetworkError: no matrix of integers, or more neurons than an index can name.
        FieldRangeError: a weight does not fit.
    """
    given = array(matrix)
    if given.ndim != 2 or not given.size:
        raise NetworkError(f"a matrix of weights has shape (inputs, outputs), neither 0, not {given.shape}")
    weights = integers(given, weight_bits=weight_bits, sizes=sizes)
    most = 1 << sizes.neuron_bits
    if max(given.shape) > most:
        raise NetworkError(f"a matrix of weights of shape {given.shape} has more than {most} inputs or outputs, which "
                           f"{sizes.neuron_bits} bits can name")
    return weights


def stored_places(weights: IntArray, stored: npt.ArrayLike | None) -> npt.NDArray[np.bool_]:
    """Which weights of a matrix are stored: those that are not zero, and those of `stored`.

    Raises:
        NetworkError: `stored` has another shape.
    """
    there: npt.NDArray[np.bool_] = weights != 0
    if stored is None:
        return there
    given = array(stored)
    if given.shape != weights.shape:
        raise NetworkError(f"the weights that are stored have shape {given.shape}, the matrix {weights.shape}")
    return there | given.astype(bool)


def array(given: npt.ArrayLike) -> Array:
    """What is given as an array.

    Raises:
        NetworkError: lists of different lengths.
    """
    try:
        return np.asarray(given)
    except ValueError:
        raise NetworkError("the shape of the weights: rows of different lengths") from None


def integers(given: Array, *, weight_bits: int, sizes: Sizes) -> IntArray:
    """Weights of any shape as integers.

    Raises:
        NetworkError: they are no integers.
        FieldRangeError: one does not fit, or `weight_bits` is none of the hardware's.
    """
    if given.dtype.kind not in "iufb":
        raise NetworkError(f"weights of a memory organisation are integers, not {given.dtype}")
    if given.dtype.kind == "f" and not (np.isfinite(given) & (given == np.rint(given))).all():
        raise NetworkError("weights of a memory organisation are integers: quantize them first")
    if not 1 <= weight_bits <= sizes.weight_bits:
        raise FieldRangeError("layer", "weight_bits", weight_bits, 1, sizes.weight_bits)
    half = 1 << weight_bits - 1
    wrong = given[(given < -half) | (given >= half)]
    if wrong.size:
        raise FieldRangeError("weight", f"{weight_bits} bits", int(wrong[0]), -half, half - 1)
    return given.astype(np.int64)


def layer(matrix: IntArray, sizes: Sizes, *, weight_bits: int, row_words: int, **bases: int) -> Fields:
    """The layer's fields (`golden.synapse.organisations.interface.layer_layout`)."""
    inputs, outputs = matrix.shape
    return {**dict.fromkeys((field.name for field in layer_layout(sizes).fields), 0), "inputs": inputs,
            "outputs": outputs, "weight_bits": weight_bits, **bases, "row_words": row_words}


def require_room(what: str, base: int, words: int, sizes: Sizes) -> None:
    """Whether words fit the memory.

    Raises:
        ImageError: they do not.
    """
    if base < 0 or base + words > 1 << sizes.address_bits:
        raise ImageError(f"{what}: {words} words from word {base} on leave the memory of {1 << sizes.address_bits}")


def pack_words(values: IntArray, bits: int, sizes: Sizes) -> Words:
    """Integers side by side, as many as fit, none across words.

    Args:
        values: (..., count); each row begins at a word.
        bits: of each; negative ones as two's complement.

    Returns:
        (..., words) or, of wide words, (..., words, word_bits // 64).
    """
    per_word, parts = sizes.word_bits // bits, sizes.word_bits // 64
    count = values.shape[-1]
    words = -(-count // per_word)
    raw = np.zeros((*values.shape[:-1], words * per_word), np.uint64)
    raw[..., :count] = (values & ((1 << bits) - 1)).astype(np.uint64)
    raw = raw.reshape(*values.shape[:-1], words, per_word)
    packed = np.zeros((*values.shape[:-1], words, parts), np.uint64)
    for place in range(per_word):
        part, shift = divmod(place * bits, 64)
        packed[..., part] |= raw[..., place] << np.uint64(shift)
        if shift + bits > 64 and part + 1 < parts:
            packed[..., part + 1] |= raw[..., place] >> np.uint64(64 - shift)
    return packed[..., 0] if parts == 1 else packed


def joined(parts: list[tuple[int, Words]], origin: int, sizes: Sizes) -> Words:
    """Parts of a memory, each from its base on, as one array from `origin` on.

    Raises:
        ImageError: they overlap, or one lies before the origin.
    """
    end = max(base + len(words) for base, words in parts)
    whole = np.zeros((end - origin, *parts[0][1].shape[1:]), np.uint64)
    reached = origin
    for base, words in sorted(parts, key=lambda part: part[0]):
        if base < reached:
            raise ImageError(f"the part of {len(words)} words from word {base} on overlaps the one before it, which "
                             f"ends at word {reached}")
        whole[base - origin:base - origin + len(words)] = words
        reached = base + len(words)
    return whole


def pointers_per_word(sizes: Sizes) -> int:
    """Pointers, or entries, of one word."""
    return sizes.word_bits // POINTER_BITS


def unpacked(words: Words, bits: int, count: int, sizes: Sizes) -> IntArray:
    """The first `count` signed integers of rows of words, as `pack_words` packs them.

    Args:
        words: (rows, words) or, of wide words, (rows, words, word_bits // 64).

    Returns:
        (rows, count).
    """
    per_word = sizes.word_bits // bits
    parts = words.reshape(*words.shape[:2], sizes.word_bits // 64)
    found = np.zeros((*words.shape[:2], per_word), np.uint64)
    for place in range(per_word):
        part, shift = divmod(place * bits, 64)
        found[..., place] = parts[..., part] >> np.uint64(shift)
        if shift + bits > 64:
            found[..., place] |= parts[..., part + 1] << np.uint64(64 - shift)
    return low_signed(found.reshape(len(words), words.shape[1] * per_word)[:, :count].astype(np.int64), bits)


def low_signed(values: IntArray, bits: int) -> IntArray:
    """The low bits of each value, as a signed number."""
    raw = values & (1 << bits) - 1
    signed: IntArray = raw - (raw >> bits - 1 << bits)
    return signed


def address_width(matrix_size: int) -> int:
    """P: bits that name one of all places of a matrix."""
    return (matrix_size - 1).bit_length()
