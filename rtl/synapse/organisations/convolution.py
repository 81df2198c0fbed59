"""What the walks of the functional organisations share: a request's kernel, and the taps of a walk into steps."""

from typing import ClassVar, NamedTuple

from amaranth import Const, Module, Mux, Signal, Value, signed
from amaranth.lib import data

from golden.synapse.organisations import convolution
from golden.synapse.organisations.convolution import CHANNEL_BITS, anchor_layout, post_layout
from golden.synapse.organisations.interface import Pass, Sizes
from rtl.synapse.organisations.place import Place
from rtl.synapse.organisations.walk import Walking
from rtl.words import struct

ORIGIN_BITS = 13
"""Signed: a position of the destination times the largest stride, less an offset."""


class Axis(NamedTuple):
    """What one dimension of a request has."""

    name: str
    anchor: Value
    size: Value
    """Of the destination, minus one; in a walk back of the source."""
    kernel: Value
    """Minus one."""
    stride: Value
    """Neurons from one position to the next."""
    origin: Value
    """With `learning`, in a walk back: the source's position whose tap 0 meets the destination's. Else the anchor."""


class ConvolutionWalk(Walking):
    """A kernel's weights of all channels, tap by tap: see `golden.synapse.organisations.convolution`.

    A subclass gives taps, in order, and this gives the steps of their channels. The next tap can be given in the cycle
    after the last step of the one before it. In a walk back a tap is one of one source channel, and has one step. APPLY
    is the same for all: `read_latency` + 3 cycles to the first synapse, then one per cycle.
    """

    applies = True
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
        beyond, ends, next_tap = Signal(name="beyond"), Signal(name="tap_ends"), self.next
        there, begin, more, afresh = self.there, Const(0, 1), layer.channels, bool(sizes.serial)
        wrong = stop = beyond
        self.starts = self.checking
        if sizes.learning:
            tap, there, next_tap = self._learning_taps(m)
            begin, more = Mux(self.backward, self.place.offset, 0), Mux(self.backward, 0, more)
            afresh, wrong, stop = afresh | self.backward | self.update, beyond | self.lost, self.lost | (
                beyond & ~self.parted)
        now = {"address": Mux(first, tap.address, address), "offset": Mux(first, begin, offset),
               "neuron": Mux(first, tap.neuron, neuron), "left": Mux(first, more, left)}
        m.d.comb += [
            self.given.eq(there), beyond.eq(tap.inside & now["address"][sizes.address_bits:].any()),
            ends.eq(~tap.inside | (now["left"] == 0)), step.synapse.eq(tap.inside & ~beyond), step.error.eq(wrong),
            step.end.eq(stop | (ends & tap.last)), step.address.eq(now["address"]), step.offset.eq(now["offset"]),
            step.neuron.eq(now["neuron"]), next_tap.eq(self.taken & (ends | beyond)),
            step.fetch.eq(step.synapse & ((now["offset"] == 0) | afresh)),
        ]
        next_address, next_offset = self.following(now["address"], now["offset"])
        with m.If(self.taken):
            m.d.sync += [address.eq(next_address), offset.eq(next_offset), neuron.eq(now["neuron"] + 1),
                         left.eq(now["left"] - 1), first.eq(ends | beyond)]
        self.taps(m)

    def _learning_taps(self, m: Module) -> tuple[data.View, Value, Signal]:
        """What only `learning` has; the tap that is walked through, whether it is there, and what takes it.

        `starts`: a request of a walk of the subclass is found good, if it is `checked`. `lost`: instead of a tap there
        is an error, and the end. `parted`: behind an error the walk goes on, with another source channel.
        """
        tap, layer, payload = self.tap, self.held.layer, self.request.payload
        self.starts, self.lost, self.parted, taken, next_tap = (
            Signal(name=name) for name in ("starts", "lost", "parted", "next_applied", "next_tap"))
        m.d.comb += self.starts.eq(self.checking & ~self.applying)
        m.submodules.place = self.place = place = Place(self.sizes, CHANNEL_BITS)
        post = struct(post_layout())(payload.neuron)
        m.d.comb += [place.enable.eq(self.request.ready), place.number.eq(post.c),
                     place.weight_bits.eq(payload.layer.weight_bits)]
        stride = Mux(payload.layer.dilated, 0, payload.layer.step)
        self.origins = [Signal(signed(ORIGIN_BITS), name=f"{name}_origin", reset_less=True) for name in "xy"]
        with m.If(self.request.ready):
            m.d.sync += [self.origins[0].eq((post.x << stride) - payload.layer.x_offset),
                         self.origins[1].eq((post.y << stride) - payload.layer.y_offset)]

        there = Signal(name="applied_there")
        address, left = Signal.like(tap.address, name="applied_address"), Signal.like(layer.stored_taps, name="applied")
        chosen = Signal(tap.shape(), name="walked_tap")
        m.d.comb += [chosen.eq(tap), self.next.eq(next_tap & ~self.applying), taken.eq(next_tap & self.applying)]
        with m.If(self.applying):
            m.d.comb += [chosen.inside.eq(left != 0), chosen.last.eq(left <= 1), chosen.address.eq(address),
                         chosen.neuron.eq(0)]
        with m.If(self.checking & self.applying):
            m.d.sync += [there.eq(1), address.eq(layer.weight_base), left.eq(layer.stored_taps)]
        with m.Elif(taken):
            m.d.sync += [there.eq(~self.step.end), address.eq(address + layer.tap_words), left.eq(left - 1)]
        return chosen, Mux(self.applying, there, self.there), next_tap

    @property
    def applying(self) -> Value:
        """The request is APPLY."""
        return self.held["pass"] == Pass.APPLY

    def taps(self, m: Module) -> None:
        """The taps: drives `tap`, `there`, `checked` and perhaps `refused`; `next` takes a tap."""
        raise NotImplementedError

    def unknown(self) -> Value:
        layer, anchor = self.held.layer, self.anchor
        if not self.sizes.learning:
            return anchor.c > layer.sources
        post = struct(post_layout())(self.held.neuron)
        outside = (post.c > layer.channels) | (post.x > layer.width) | (post.y > layer.height)
        return Mux(self.backward, outside, ~self.applying & (anchor.c > layer.sources))

    def axes(self) -> tuple[Axis, Axis]:
        """Both dimensions."""
        layer, anchor = self.held.layer, self.anchor
        if not self.sizes.learning:
            return (Axis("x", anchor.x, layer.width, layer.kernel_width, layer.x_stride, anchor.x),
                    Axis("y", anchor.y, layer.height, layer.kernel_height, layer.y_stride, anchor.y))
        sizes, strides = ((Mux(self.backward, back, forward) for back, forward in pairs) for pairs in (
            ((layer.source_width, layer.width), (layer.source_height, layer.height)),
            ((layer.source_x_stride, layer.x_stride), (layer.source_y_stride, layer.y_stride))))
        return (Axis("x", anchor.x, next(sizes), layer.kernel_width, next(strides), self.origins[0]),
                Axis("y", anchor.y, next(sizes), layer.kernel_height, next(strides), self.origins[1]))

    def after(self, m: Module, cycles: int) -> list[Value]:
        """Pulses in the cycles that follow the one in which a request is found good."""
        pulses: list[Value] = []
        for number in range(cycles):
            pulse = Signal(name=f"after_{number + 1}")
            m.d.sync += pulse.eq(pulses[-1] if pulses else self.starts & self.checked)
            pulses.append(pulse)
        return pulses

    def source_base(self, m: Module, *, back: Value | int = 0, load: Value | int = 1) -> Signal:
        """First word of the source channel's weights, two cycles after the request has been taken.

        Args:
            back: the source channel in a walk back. load: with `learning`, when the word may change.
        """
        base, layer = Signal.like(self.tap.address, name="source_base", reset_less=True), self.held.layer
        if not self.sizes.learning:
            m.d.sync += base.eq(layer.weight_base + self.anchor.c * layer.source_words)
        else:
            with m.If(load):
                m.d.sync += base.eq(self.weight_base() + Mux(self.backward, back, self.anchor.c) * layer.source_words)
        return base

    def weight_base(self) -> Value:
        """With `learning`: first word of the layer's weights, or in a walk back that with the channel's first one."""
        return self.held.layer.weight_base + Mux(self.backward, self.place.word, 0)

    def placed(self, m: Module, axis: Axis, tap: Value, name: str = "") -> tuple[Value, Value]:
        """The neuron of a tap in one dimension, and whether there is one."""
        layer = self.held.layer
        # No wider than it must be on the way back: bits that only repeat the sign would be assigned from the signal.
        more = 1 if self.sizes.learning else 2
        position = Signal(signed(len(axis.origin) + more), name=f"{axis.name}_position{name}")
        reach = tap << Mux(layer.dilated, layer.step, 0)
        found, shift = axis.anchor + reach, Mux(layer.dilated, 0, layer.step)
        if self.sizes.learning:
            found, shift = Mux(self.backward, axis.origin - reach, found), Mux(self.backward, 0, shift)
        m.d.comb += position.eq(found)
        neuron = position >> shift
        between = (position[:3] & ((Const(1, 4) << shift) - 1)).any()
        return neuron[:len(axis.size)], ~between & (neuron >= 0) & (neuron <= axis.size)
