"""Layers of neurons that integrate over timesteps: those of a `synapress.mapper.network.network.Network` that spike."""

from collections.abc import Mapping, Sequence
from typing import Unpack

import numpy as np
import numpy.typing as npt

from golden.neuron.decay import LEFT_LOG2
from golden.neuron.types.cuba import CURRENT_BITS
from golden.neuron.types.lif import TOWARD_ZERO
from golden.types import Array
from golden.words import Reset
from synapress.mapper.network.layer import Branch, Evaluation, integers, refuse, within


class SpikingLayers:
    """Methods that add a layer of spiking neurons, or of integrators behind them; each returns its name."""

    def lif(
        self, name: str, sources: Sequence[str | Branch], *, threshold: npt.ArrayLike, bias: npt.ArrayLike = 0,
        multiplier: npt.ArrayLike = 1, shift: npt.ArrayLike = 0, reset: str = "subtract",
        scales: Sequence[int] | None = None, shifts: Sequence[int] | None = None,
        initial: npt.ArrayLike | None = None, saturate: bool = False, lowest: npt.ArrayLike | None = None,
        reset_value: npt.ArrayLike | None = None, rounding: str = "even", several: bool = False,
    ) -> str:
        """Leaky integrate-and-fire neurons, which keep their state from timestep to timestep and fire 1.

        In each timestep: u += inputs + bias; those with u >= threshold fire, and u -= threshold, or u = 0 with `reset`
        "zero"; then u leaks: u · multiplier / 2**shift, half to even. By default it does not: integrate-and-fire.

        Args:
            sources, scales, shifts: as of `add`: layers, or any convolutions by `branch`.
            threshold: at least 1, per channel or one for all.
            initial: the states before the first timestep, as they are after the leak; default 0.
            saturate: u is kept within half of the states' range, so that a timestep's inputs, if they fit the other
                half, cannot make it wrap; default: within all of it.

        The others take a core with the neuron type "lif":
            lowest: u is at least this, -32,768 to 0, where a neuron does not fire; states of 32 bits have no bound at
                -32,768, the default.
            reset_value: what `reset` "zero" sets u to, -32,768 to 32,767.
            rounding: of the leak; "zero" rounds toward zero, "even" halves to even.
            several: fire the number of times that the threshold, a power of two, goes into u, at most 255 for events of
                9 bits, and keep the rest.
        """
        if reset not in ("subtract", "zero"):
            refuse(name, "reset", "'subtract' or 'zero'", repr(reset))
        if rounding not in ("even", "zero"):
            refuse(name, "rounding", "'even' or 'zero'", repr(rounding))
        if reset_value is not None and reset != "zero":
            refuse(name, "reset", "'zero' with a reset_value", repr(reset))
        powers = np.asarray(threshold)
        if several and np.any(powers & (powers - 1)):
            refuse(name, "several spikes", "a power of two as threshold", powers.tolist())
        second, half = None, 1 << 15
        if lowest is not None or reset_value is not None or rounding == "zero" or several:
            if saturate:
                refuse(name, "saturate", "neurons without lowest, reset_value, rounding and several", "some of them")
            second = {"lowest": within(name, "lowest", -half if lowest is None else lowest, -half, 0),
                      "highest": within(name, "reset value", 0 if reset_value is None else reset_value,
                                        -half, half - 1)}
        mode = (Reset.ZERO if reset == "zero" else Reset.SUBTRACT) + TOWARD_ZERO * (rounding == "zero")
        mode += Reset.HALVED * saturate
        return self._add(name, "lif", self._branches(name, sources, scales, shifts), bias, multiplier=multiplier,
                         shift=shift, saturation=mode, threshold=threshold, initial=initial, second=second,
                         several=several)

    def cuba(
        self, name: str, sources: Sequence[str | Branch], *, threshold: npt.ArrayLike, current_decay: npt.ArrayLike,
        potential_decay: npt.ArrayLike, bias: npt.ArrayLike = 0, reset: str = "zero",
        lowest: npt.ArrayLike | None = None, scales: Sequence[int] | None = None, shifts: Sequence[int] | None = None,
        initial: npt.ArrayLike | None = None,
    ) -> str:
        """Neurons with a leaky current and a leaky potential, as Loihi's, which keep both and fire 1.

        In each timestep: i = i · (1 - current_decay / 4096) + inputs; u = u · (1 - potential_decay / 4096) + i + bias;
        those with u >= threshold fire, and u = 0, or u -= threshold with `reset` "subtract". Both leaks round toward
        zero. It takes a core with the neuron type "cuba" and states of 32 bits, of which current and potential have 16
        each: the current's sum wraps there, the potential is clipped.

        Args:
            sources, scales, shifts: as of `lif`.
            threshold: 1 to 32,767, per channel or one for all.
            current_decay, potential_decay: 0 to 4,096, per channel or one for all.
            lowest: no potential is below it where a neuron does not fire; default -32,768.
            initial: the potentials before the first timestep, as they are after the leak, -32,768 to 32,767; default 0,
                as the currents are.
        """
        if reset not in ("subtract", "zero"):
            refuse(name, "reset", "'subtract' or 'zero'", repr(reset))
        half = 1 << CURRENT_BITS - 1
        second = {"decay": within(name, "decay", current_decay, 0, 1 << LEFT_LOG2),
                  "lowest": within(name, "lowest", -half if lowest is None else lowest, -half, 0)}
        left = (1 << LEFT_LOG2) - within(name, "decay", potential_decay, 0, 1 << LEFT_LOG2)
        states = None if initial is None else within(name, "initial", initial, -half, half - 1) << CURRENT_BITS
        return self._add(name, "cuba", self._branches(name, sources, scales, shifts), bias, multiplier=left,
                         shift=LEFT_LOG2, saturation=Reset.ZERO if reset == "zero" else Reset.SUBTRACT,
                         threshold=within(name, "threshold", threshold, 1, half - 1), initial=states, second=second)

    def li(
        self, name: str, sources: Sequence[str | Branch], *, decay: npt.ArrayLike, bias: npt.ArrayLike = 0,
        scales: Sequence[int] | None = None, shifts: Sequence[int] | None = None,
        initial: npt.ArrayLike | None = None, **evaluation: Unpack[Evaluation],
    ) -> str:
        """Leaky integrators, for the outputs of spiking networks: they keep their potential, and send it as a value.

        In each timestep: u = u · (1 - decay / 4096) + inputs + bias, where the leak rounds toward zero; the value is
        saturate(round(u · multiplier / 2**shift)), as of any layer. It takes a core with the neuron type "li".

        Args:
            sources, scales, shifts: as of `lif`.
            decay: 0 to 4,096, per channel or one for all; 0 keeps all: the sum of all timesteps.
            initial: the potentials before the first timestep, as they are after the leak; default 0.
        """
        if "neuron" in evaluation or "threshold" in evaluation:
            refuse(name, "integrator", "no neuron and no threshold", ", ".join(evaluation))
        return self._add(name, "li", self._branches(name, sources, scales, shifts), bias, **evaluation,
                         initial=initial, second={"decay": within(name, "decay", decay, 0, 1 << LEFT_LOG2)})

    def ttfs(
        self, name: str, sources: Sequence[str | Branch], *, thresholds: npt.ArrayLike, bias: npt.ArrayLike = 0,
    ) -> str:
        """Neurons that spike at most once, the earlier, the larger their sum: a spike at time t is the value T - t.

        It takes a core with the neuron type "ttfs", where T is `ttfs_times`, and, for branches whose weights are
        logarithmic, with the product "log" or "both".

        Args:
            sources: as of `add`.
            thresholds: those of the values 1 to T, which do not fall: `falling_thresholds`.
            bias: added to the sum, per channel or one for all.
        """
        found = integers(name, "falling thresholds", thresholds).astype(np.int64)
        if found.ndim != 1 or not found.size or (np.diff(found) < 0).any():
            refuse(name, "falling thresholds", "one for each value, from that of 1 on, none below the one before",
                   found.tolist())
        return self._add(name, "ttfs", self._branches(name, sources, None, None), bias, table=found)

    def _add(
        self, name: str, kind: str, branches: tuple[Branch, ...], bias: npt.ArrayLike, *,
        multiplier: npt.ArrayLike = 1, shift: npt.ArrayLike = 0, saturation: int | None = None,
        slope: npt.ArrayLike | None = None, table: npt.ArrayLike | None = None, threshold: npt.ArrayLike | None = None,
        initial: npt.ArrayLike | None = None, neuron: str = "", second: Mapping[str, Array] | None = None,
        several: bool = False,
    ) -> str:
        """Check a layer's numbers, and insert it."""
        raise NotImplementedError

    def _branches(
        self, name: str, sources: Sequence[str | Branch], scales: Sequence[int] | None, shifts: Sequence[int] | None
    ) -> tuple[Branch, ...]:
        """Sources as branches."""
        raise NotImplementedError
