"""Rooms of blocks that a configuration chooses from by name: a block is there as soon as its file is.

The golden model and the hardware have rooms of the same shape, so that a name means the same block in both. A file of a
room defines one class that derives from the room's interface.
"""

import importlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from golden.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]
Interface = TypeVar("Interface")


@dataclass(frozen=True)
class Room:
    """Where the blocks of one kind are: `{}` in the module's name is the block's name."""

    kind: str
    """What its blocks are, for messages."""
    module: str
    others: tuple[str, ...] = ()
    """Files of the same folder that are no blocks."""

    def names(self) -> list[str]:
        """All blocks, by the files that are there; none is imported."""
        before, after = self.module.replace(".", "/").split("{}")
        pattern = re.compile(rf"{re.escape(before)}(\w+){re.escape(after)}(/__init__)?\.py")
        found = {match[1] for ending in (".py", "/__init__.py") for path in ROOT.glob(f"{before}*{after}{ending}")
                 if (match := pattern.fullmatch(path.relative_to(ROOT).as_posix()))}
        return sorted(found - {"__init__", *self.others})

    def require(self, name: str, where: str = "") -> None:
        """Check a name.

        Raises:
            ConfigError: there is no such block; `where` names who asked.
        """
        if name not in self.names():
            raise ConfigError(f"{where}there is no {self.kind} '{name}'; there are: {', '.join(self.names())}")

    def load(self, name: str, interface: type[Interface]) -> type[Interface]:
        """The class of a block.

        Raises:
            ConfigError: there is no such block.
        """
        self.require(name)
        module = importlib.import_module(self.module.format(name))
        found = [item for item in vars(module).values() if isinstance(item, type) and issubclass(item, interface)
                 and item is not interface and item.__module__.startswith(module.__name__)]
        assert len(found) == 1, f"{module.__name__} must define one {interface.__name__}, not {len(found)}"
        return found[0]


DECODERS = Room("synapse decoder", "golden.synapse.{}", others=(
    "gather", "interface", "learning", "lookup", "organisations", "peg", "tables"))
"""An event into the word operations of its synapses."""
ORGANISATIONS = Room("memory organisation", "golden.synapse.organisations.{}",
                     others=("convolution", "interface", "kernel", "numbers", "packing", "place", "walk"))
"""A neuron into its synapses, as they lie in memory."""
UPDATES = Room("update unit", "golden.{}.update")
"""Word operations into states."""
PRODUCTS = Room("product", "golden.neuron.products.{}")
"""A weight and a value into what is added to a state."""
NEURON_TYPES = Room("neuron type", "golden.neuron.types.{}")
"""A state and its parameters into a value, and the state that stays."""
