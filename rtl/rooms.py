"""The hardware's rooms: the same blocks by the same names as those of the golden model (`golden.rooms`)."""

from dataclasses import replace

from golden import rooms


def _hardware(room: rooms.Room, *others: str) -> rooms.Room:
    return replace(room, module=room.module.replace("golden.", "rtl."), others=(*room.others, *others))


DECODERS = _hardware(rooms.DECODERS, "axons")
ORGANISATIONS = _hardware(rooms.ORGANISATIONS, "in_flight", "reader", "row_search")
UPDATES, PRODUCTS, NEURON_TYPES = map(_hardware, (rooms.UPDATES, rooms.PRODUCTS, rooms.NEURON_TYPES))
