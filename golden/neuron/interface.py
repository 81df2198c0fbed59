"""What the rooms of this folder hold: neuron types, and products of weight and value."""

from collections.abc import Callable, Mapping
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from golden.config import CoreConfig
from golden.types import IntArray
from golden.words import Saturation

Table = Callable[[int], int]
"""The entry of a value table at an index."""


class Product:
    """What one synapse adds to a state: see `golden.rooms.PRODUCTS`. The hardware's has the same name.

    Attributes:
        linear: a product is a factor times the value, so that products of matrices make sums of many (`factors`).
    """

    linear: ClassVar[bool] = True

    @staticmethod
    def factors(weights: npt.ArrayLike, config: CoreConfig) -> IntArray:
        """The integers that stored weights multiply a value with: what a matrix product of a whole network takes."""
        raise NotImplementedError

    @staticmethod
    def one(weight: int, v: int, shift: int, config: CoreConfig) -> int:
        """The product of one stored weight and one value, literally."""
        raise NotImplementedError

    @classmethod
    def of(cls, weights: npt.ArrayLike, v: npt.ArrayLike, shift: npt.ArrayLike, config: CoreConfig) -> IntArray:
        """The products of stored weights and values, wrapped to `state_bits`; all arrays broadcast."""
        raise NotImplementedError


class Silence:
    """What tells early, and cautiously, that a neuron is silent: see `golden.neuron.silent`."""

    UNKNOWN = ""
    """Nothing does."""
    SUM = "sum"
    """The sum with the bias, as its value is requantized, and its state is cleared."""
    THRESHOLD = "threshold"
    """The sum with the bias lies below the threshold; what stays is as for SPIKING."""


class NeuronModel:
    """A neuron type: what becomes of a state at the end of a timestep; a room of `golden.rooms.NEURON_TYPES`.

    Attributes:
        codes: what the type field of a population word may say, with a name for reports; a type may have variants.
        keeps: the states stay from timestep to timestep; of other types they are cleared.
        delays: the values are delivered in the next timestep.
        second_parameter: each channel has a second parameter word, whose fields join those of the first.
        second_fields: those of them that it looks at; the others are 0.
        silence: what tells early that a neuron is silent, of `Silence`.
        thresholds: the slope field of the parameters is a threshold; no value is looked up.
        threshold_field: where the threshold is, if not in the slope's place.
        modes: what the saturation field of its population words may say.
        falling_threshold: its populations have a table of `ttfs_times` thresholds of sums, in a value table's place.
    """

    codes: ClassVar[Mapping[int, str]]
    keeps: ClassVar[bool] = False
    delays: ClassVar[bool] = False
    thresholds: ClassVar[bool] = False
    threshold_field: ClassVar[str] = "slope"
    second_parameter: ClassVar[bool] = False
    second_fields: ClassVar[tuple[str, ...]] = ()
    silence: ClassVar[str] = Silence.UNKNOWN
    modes: ClassVar[tuple[int, ...]] = (Saturation.RELU, Saturation.SIGNED, Saturation.FULL, Saturation.TABLE)

    falling_threshold: ClassVar[bool] = False

    @classmethod
    def looks_up(cls, mode: int) -> bool:
        """Whether the values of a population with this saturation field come from a value table."""
        return mode == Saturation.TABLE and not (cls.thresholds or cls.falling_threshold)

    @staticmethod
    def bounds(mode: int, type: int, value_bits: int) -> tuple[int, int]:
        """Lowest and highest value, but for a looked up one; `mode` and `type` as of `evaluate_one`."""
        return Saturation.bounds(mode, value_bits)

    @classmethod
    def kept_range(cls, mode: int, config: CoreConfig) -> tuple[int, int]:
        """Lowest and highest sum that stays from timestep to timestep, whatever the parameters."""
        half = 1 << cls.sum_bits(config) - 1
        return (-half, half - 1) if cls.keeps else (0, 0)

    @classmethod
    def check(cls, config: CoreConfig) -> None:
        """Whether a core of this configuration can have the type.

        Raises:
            ConfigError: it can not.
        """

    @staticmethod
    def sum_bits(config: CoreConfig) -> int:
        """Low bits of a state in which sums are added up."""
        return config.state_bits

    @classmethod
    def sums(cls, states: npt.ArrayLike, config: CoreConfig) -> IntArray:
        """The sums that states hold."""
        return np.asarray(states)

    @staticmethod
    def evaluate_one(
        state: int, parameter: Mapping[str, int], mode: int, config: CoreConfig, *, type: int,
        table: Table | None = None,
    ) -> tuple[int, int]:
        """The value of one neuron and the state that stays, literally.

        Args:
            parameter: fields of its parameter word (`golden.words`).
            mode: the saturation field of its population word.
            type: one of `codes`.
            table: of the population, with saturation TABLE.
        """
        raise NotImplementedError

    @staticmethod
    def evaluate(
        states: npt.ArrayLike, parameters: Mapping[str, npt.ArrayLike], mode: int, config: CoreConfig, *, type: int,
        table: npt.ArrayLike | None = None,
    ) -> tuple[IntArray, IntArray]:
        """`evaluate_one` on arrays, exactly; all broadcast, e.g. parameters of shape (D, 1, 1)."""
        raise NotImplementedError


def cleared(values: IntArray, states: npt.ArrayLike) -> tuple[IntArray, IntArray]:
    """The result of a type that does not keep its states."""
    return values, np.zeros(np.broadcast_shapes(values.shape, np.shape(states)), np.int64)
