"""What the walks of the functional organisations share: a request's kernel, and the taps of a walk into steps."""

from typing import ClassVar, NamedTuple

from amaranth import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data

from golden.synapse.organisations import convolution
from golden.synapse.organisations.convolution import anchor_layout
from golden.synapse.organisations.interface import Sizes
from rtl.synapse.organisations.walk import Walking
from rtl.words import struct


class Axis(NamedTuple):
    """What one dimension of a request has."""

    name: str
    anchor: Value
    size: Value
    """Of the destination, minus one."""
    kernel: Value
    """Minus one."""
    stride: Value
    """Neurons from one position to the next."""


class ConvolutionWalk(Walking):
    """A kernel's weights of all channels, tap by tap: see `golden.synapse.organisations.convolution`.

    A subclass gives taps, in order, and this gives the steps of their channels. The next tap can be given in the cycle
    after the last step of the one before it.
    """

    model: ClassVar[type[convolution.Convolution]]

    @classmethod
    def request_layout(cls, sizes: Sizes) -> data.StructLayout:
        fields = {name: field.shape for name, field in super().request_layout(sizes)}
        return data.StructLayout(fields | {"neuron": anchor_layout().bits})

    @property
    def anchor(self) -> data.View:
        """Of the request."""
        return struct(anchor_layout())(self.held.neuron)

    def walk(self, m: Module) -> None:
        sizes, layer, step = self.sizes, self.held.layer, self.step
        # An address that has left the memory stays outside, as nothing is subtracted.
        wide = max(sizes.address_bits, len(layer.source_words) + len(self.anchor.c)) + 2
        self.tap = tap = Signal(data.StructLayout(
            {"inside": 1, "last": 1, "address": wide, "neuron": sizes.neuron_bits}), name="tap")
        # Of the tap: it is there; it is done.
        self.there, self.next = Signal(name="tap_there"), Signal(name="tap_next")
        first, left = Signal(init=1, name="first_channel"), Signal.like(layer.channels, name="channels_left")
        address, offset = Signal(wide, name="address"), Signal(sizes.offset_bits, name="offset")
        neuron = Signal(sizes.neuron_bits, name="neuron")
        now = {"address": Mux(first, tap.address, address), "offset": Mux(first, 0, offset),
               "neuron": Mux(first, tap.neuron, neuron), "left": Mux(first, layer.channels, left)}
        beyond, ends = Signal(name="beyond"), Signal(name="tap_ends")
        m.d.comb += [
            self.given.eq(self.there), beyond.eq(tap.inside & now["address"][sizes.address_bits:].any()),
            ends.eq(~tap.inside | (now["left"] == 0)), step.synapse.eq(tap.inside & ~beyond), step.error.eq(beyond),
            step.end.eq(beyond | (ends & tap.last)), step.address.eq(now["address"]), step.offset.eq(now["offset"]),
            step.neuron.eq(now["neuron"]), self.next.eq(self.taken & (ends | beyond)),
            step.fetch.eq(step.synapse & ((now["offset"] == 0) | bool(sizes.serial))),
        ]
        next_address, next_offset = self.following(now["address"], now["offset"])
        with m.If(self.taken):
            m.d.sync += [address.eq(next_address), offset.eq(next_offset), neuron.eq(now["neuron"] + 1),
                         left.eq(now["left"] - 1), first.eq(ends | beyond)]
        self.taps(m)

    def taps(self, m: Module) -> None:
        """The taps: drives `tap`, `there`, `checked` and perhaps `refused`; `next` takes a tap."""
        raise NotImplementedError

    def unknown(self) -> Value:
        beyond = self.anchor.c > self.held.layer.sources
        return self.backward | beyond if self.sizes.learning else beyond

    def axes(self) -> tuple[Axis, Axis]:
        """Both dimensions."""
        layer, anchor = self.held.layer, self.anchor
        return (Axis("x", anchor.x, layer.width, layer.kernel_width, layer.x_stride),
                Axis("y", anchor.y, layer.height, layer.kernel_height, layer.y_stride))

    def after(self, m: Module, cycles: int) -> list[Value]:
        """Pulses in the cycles that follow the one in which a request is found good."""
        pulses: list[Value] = []
        for number in range(cycles):
            pulse = Signal(name=f"after_{number + 1}")
            m.d.sync += pulse.eq(pulses[-1] if pulses else self.checking & self.checked)
            pulses.append(pulse)
        return pulses

    def source_base(self, m: Module) -> Signal:
        """First word of the source channel's weights, two cycles after the request has been taken."""
        base = Signal.like(self.tap.address, name="source_base", reset_less=True)
        m.d.sync += base.eq(self.held.layer.weight_base + self.anchor.c * self.held.layer.source_words)
        return base

    def placed(self, m: Module, axis: Axis, tap: Value, name: str = "") -> tuple[Value, Value]:
        """The neuron of a tap in one dimension, and whether there is one."""
        layer = self.held.layer
        position = Signal(signed(len(axis.anchor) + 2), name=f"{axis.name}_position{name}")
        m.d.comb += position.eq(axis.anchor + (tap << Mux(layer.dilated, layer.step, 0)))
        shift = Mux(layer.dilated, 0, layer.step)
        neuron = position >> shift
        between = (position[:3] & ((Const(1, 4) << shift) - 1)).any()
        return neuron[:len(axis.size)], ~between & (neuron >= 0) & (neuron <= axis.size)
