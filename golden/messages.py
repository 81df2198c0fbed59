"""What the blocks of a core tell each other, as packed layouts; field 0 is the least significant.

The words of memory and network are in `golden.words`. These layouts never leave a core, but for the host's accesses.
"""

from golden.config import CoreConfig
from golden.fields import Field, WordLayout
from golden.words import layouts


def neuron(config: CoreConfig) -> WordLayout:
    """A firing neuron, or the end of its population's timestep (`end`: x, y, c and v are 0).

    `far`: each of its axons has a second word, in front of the first.
    """
    return WordLayout("neuron", (
        Field("x", config.coordinate_bits),
        Field("y", config.coordinate_bits),
        Field("c", config.channel_bits),
        Field("v", config.value_bits, signed=True),
        Field("axon_base", config.address_bits),
        Field("axons", config.axon_count_bits),
        Field("far", 1),
        Field("population", config.population_bits),
        Field("end", 1),
    ))


def fired(config: CoreConfig) -> WordLayout:
    """A neuron as the last stage of the evaluation finds it: what `neuron` has, without what is the population's."""
    whole = neuron(config)
    return WordLayout("fired neuron", tuple(whole.field(name) for name in ("x", "y", "c", "v", "end")))


def operation(config: CoreConfig) -> WordLayout:
    """A word operation: the update of up to `lanes` states in one memory word.

    `state_address` has one bit more than an address, so that an overflow is seen; `weight_address` is in bytes. The
    lanes' weights are the `lanes` bytes from there (aligned), or with `broadcast` the one byte there, for the one lane
    of `mask`. In a core with `organisations` an operation with `immediate` has its weights in `weights`, one of
    `table_weight_bits` for each lane, and reads none.
    """
    immediate = (Field("immediate", 1), Field("weights", config.lanes * config.table_weight_bits))
    return WordLayout("operation", (
        Field("state_address", config.address_bits + 1),
        Field("weight_address", config.weight_address_bits),
        Field("mask", config.lanes),
        Field("broadcast", 1),
        Field("max", 1),
        Field("shift", config.product_shift_bits),
        Field("v", config.value_bits, signed=True),
        *(immediate if config.organisations else ()),
    ))


def command(config: CoreConfig) -> WordLayout:
    """Evaluate this population; `word` is its population word."""
    return WordLayout("command", (
        Field("population", config.population_bits),
        Field("word", layouts(config).population.bits),
    ))


def value(config: CoreConfig) -> WordLayout:
    """What the ESU gets to see of a VALUE event: fields of the event word."""
    event = layouts(config).event
    return WordLayout("value", tuple(event.field(name) for name in ("v", "c", "y", "x", "id")))


def request(config: CoreConfig) -> WordLayout:
    """A host access: one memory word, or one register (`golden.registers`)."""
    return WordLayout("request", (
        Field("address", config.address_bits),
        Field("register", 1),
        Field("write", 1),
        Field("data", config.word_bits),
    ))


def transfer(config: CoreConfig) -> WordLayout:
    """An operand to be moved between memory and compute-in-memory array, of a core with the update "cim".

    `load`: from memory into the array, else back. `state`: it is potentials, and not weights or thresholds. `row`,
    `base`: its first row and column. `width`: columns of a row, at least one, all of them in the array. `address`,
    `words`: where it is in memory, at least one word.
    """
    row, column = ((size - 1).bit_length() for size in (config.cim_rows, config.cim_columns))
    return WordLayout("transfer", (
        Field("load", 1),
        Field("state", 1),
        Field("row", row),
        Field("rows", row, bias=1),
        Field("base", column),
        Field("width", column + 1),
        Field("address", config.address_bits),
        Field("words", 8),
    ))


def evaluated(config: CoreConfig) -> WordLayout:
    """A state word at the moment of its evaluation, for verification."""
    return WordLayout("evaluated", (
        Field("valid", 1),
        Field("address", config.address_bits),
        Field("state", config.word_bits),
    ))
