"""The hardware's rooms: the same blocks by the same names as those of the golden model (`golden.rooms`)."""

from dataclasses import replace

from golden import rooms


def _hardware(room: rooms.Room) -> rooms.Room:
    return replace(room, module=room.module.replace("golden.", "rtl."))


DECODERS, UPDATES, PRODUCTS, NEURON_TYPES = map(
    _hardware, (rooms.DECODERS, rooms.UPDATES, rooms.PRODUCTS, rooms.NEURON_TYPES))
