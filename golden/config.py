"""The one configuration of a core: every width, size and option of the hardware.

Widths of the default preset follow Bamberg et al., arXiv 2112.07019, section 5.1.
"""

import dataclasses
import json
import os
from dataclasses import dataclass
from typing import Any

from golden.cim.layer import layer_words
from golden.errors import ConfigError
from golden.files import read_text
from golden.rooms import DECODERS, NEURON_TYPES, PRODUCTS, UPDATES
from golden.timing.microarchitecture import LEAST_LOCAL_QUEUE, LEAST_OUTPUT_QUEUE
from golden.widths import CONNECTIVITY_BITS, Widths
from golden.words import TABLE_ORGANISATIONS, layouts

_BLOCKS = {"decoder": DECODERS, "update": UPDATES, "product": PRODUCTS, "neuron_types": NEURON_TYPES}
"""Fields that name blocks instead of sizes."""
_LISTS = ("neuron_types", "organisations")
"""Fields that hold several names."""
_ENCODERS = ("search", "sweep")


@dataclass(frozen=True, kw_only=True)
class CoreConfig(Widths):
    """Widths, sizes and options of one event core; the fields are those of `golden.widths.Widths`.

    Raises:
        ConfigError: on construction, naming the offending fields and their values.
    """

    def __post_init__(self) -> None:
        self.validate()

    # -- checks --------------------------------------------------------------------------------

    def validate(self) -> None:
        """Check every field alone and against the others."""
        bounds = {
            "address_bits": (6, 24), "lanes": (1, 32), "state_bits": (16, 32), "weight_bits": (8, 8),
            "value_bits": (2, 16), "coordinate_bits": (2, 12), "channel_bits": (3, 14),
            "kernel_bits": (2, 6), "step_bits": (2, 2), "upsample_bits": (1, 3), "offset_bits": (4, 16),
            "hit_test": (0, 1), "short_events": (0, 1), "forward_states": (0, 1),
            "skip_silent": (0, 1),
            "extent_unit_log2": (0, 6), "edge_bits": (1, 8),
            "population_bits": (1, 8),
            "mesh_bits": (2, 8), "axon_count_bits": (1, 10), "incoming_bits": (1, 10),
            "weight_stride_bits": (4, 24), "product_shift_bits": (0, 3),
            "multiplier_bits": (8, 24), "shift_bits": (3, 6), "banks": (2, 16), "input_queue": (2, 4096),
            "local_queue": (LEAST_LOCAL_QUEUE, 4096), "output_queue": (LEAST_OUTPUT_QUEUE, 4096),
            "counter_bits": (16, 64),
            "guard_states": (0, 1),
            "access_counters": (0, 1),
            "ttfs_times": (1, 63), "ttfs_tau": (1, 32), "log_levels": (1, 4), "log_fraction_bits": (4, 24),
            "table_weight_bits": (1, 12),
            "cim_rows": (16, 512), "cim_columns": (8, 256), "cim_tags": (16, 1024),
        }
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name == "name":
                if not isinstance(value, str) or not value:
                    raise ConfigError(f"configuration field 'name' must be a non-empty string, not {value!r}")
                continue
            if field.name == "encoder":
                if value not in _ENCODERS:
                    raise ConfigError(f"configuration field 'encoder' must be one of {', '.join(_ENCODERS)}, not "
                                      f"{value!r}")
                continue
            if field.name in (*_BLOCKS, *_LISTS):
                self._check_blocks(field.name, value)
                continue
            if not isinstance(value, int) or isinstance(value, bool):
                raise ConfigError(f"configuration field '{field.name}' must be an integer, not {value!r}")
            low, high = bounds[field.name]
            if not low <= value <= high:
                raise ConfigError(f"configuration field '{field.name}' = {value} is outside [{low}, {high}]")
        for name in ("lanes", "banks", "cim_rows", "cim_columns", "cim_tags"):
            self._require(name, getattr(self, name).bit_count() == 1, "must be a power of two")
        self._require("state_bits", self.state_bits in (16, 32), "must be 16 or 32")
        self._require("lanes", self.word_bits >= CONNECTIVITY_BITS and self.word_bits % CONNECTIVITY_BITS == 0,
                      f"× state_bits = {self.word_bits} must be a multiple of {CONNECTIVITY_BITS}, "
                      "as connectivity words share the memory")
        self._require("offset_bits", self.offset_bits > self.coordinate_bits,
                      f"must exceed coordinate_bits = {self.coordinate_bits}: an anchor is a signed coordinate")
        self._require("extent_unit_log2", self.extent_unit_log2 < self.offset_bits - 1,
                      f"must be below offset_bits - 1 = {self.offset_bits - 1}")
        self._require("population_bits", self.population_bits <= self.edge_bits,
                      f"must not exceed edge_bits = {self.edge_bits}: a credit carries the population in its ID")
        self._require("population_bits", self.population_bits <= self.channel_bits,
                      f"must not exceed channel_bits = {self.channel_bits}: an end of timestep carries it there")
        self._require("mesh_bits", self.mesh_bits <= self.offset_bits,
                      f"must not exceed offset_bits = {self.offset_bits}: an end of timestep carries it there")
        self._require("channel_bits", self.channel_bits > self.lane_bits,
                      f"must exceed log2(lanes) = {self.lane_bits}")
        self._require("banks", self.banks.bit_length() - 1 < self.address_bits,
                      f"needs more addresses than address_bits = {self.address_bits} gives")
        if self.product != "linear" or "ttfs" in self.neuron_types:
            self._check_times()
        self._require("encoder", self.encoder == "search" or not self.skip_silent,
                      "must be search with skip_silent, which walks the states by itself")
        self._check_tables()
        if self.update == "cim":
            self._check_cim()
        layouts(self)  # which checks the sums of fields against 64 bits

    def _check_times(self) -> None:
        """Spikes in time, whose values events must hold, and whose weights must be fields of an exponent."""
        most = (1 << self.value_bits - 1) - 1
        self._require("ttfs_times", self.ttfs_times <= most,
                      f"must not exceed {most}, the largest value of value_bits = {self.value_bits}")
        for field in ("ttfs_tau", "log_levels"):
            self._require(field, getattr(self, field).bit_count() == 1, "must be a power of two")
        self._require("log_fraction_bits", self.log_fraction_bits <= self.state_bits - 2,
                      f"must not exceed state_bits - 2 = {self.state_bits - 2}: a power of 0 and its sign must fit")
        if self.product == "both":
            self._require("product_shift_bits", self.product_shift_bits > 0,
                          "must be at least 1: with both products its highest bit chooses one")
            if "product" in self.neuron_types:
                raise ConfigError("configuration field 'neuron_types' must not have 'product', as with both products "
                                  "the shift that moves its operand chooses one")

    def _check_tables(self) -> None:
        """What a core with synapse tables needs."""
        self._require("organisations", bool(self.organisations) == (self.decoder == "mixed"),
                      f"goes with decoder 'mixed' and only with it, not without; decoder = {self.decoder}")
        if self.organisations:
            self._require("product", self.product == "linear",
                          "must be linear with organisations: the weights of tables are no codes of powers")
            self._require("lanes", self.word_bits in (64, 128),
                          f"× state_bits = {self.word_bits} must be 64 or 128 with organisations: "
                          "the words of tables have this width")
            self._require("guard_states", not self.guard_states,
                          "must be 0 with organisations: the guard does not look into tables")

    def _check_cim(self) -> None:
        """What a core with the compute-in-memory update needs."""
        wanted: dict[str, Any] = {
            "decoder": "esu", "organisations": (), "product": "linear", "encoder": "search", "guard_states": 0,
            "skip_silent": 0, "forward_states": 0}
        for field, value in wanted.items():
            if getattr(self, field) != value:
                raise ConfigError(f"configuration field '{field}' = {getattr(self, field)} must be {value} with update "
                                  "cim, whose states lie in an array of their own")
        self._require("neuron_types", "spiking" in self.neuron_types,
                      "must have 'spiking' with update cim, whose neurons integrate and fire")
        layer_words(self)

    def _check_blocks(self, field: str, value: Any) -> None:
        """Names of blocks: one, or a tuple of them."""
        several = field in _LISTS
        names = value if several else (value,)
        if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
            needed = "names" if several else "a name"
            raise ConfigError(f"configuration field '{field}' must be {needed}, not {value!r}")
        if field == "organisations":
            unknown = [name for name in names if name not in TABLE_ORGANISATIONS]
            if unknown or len(set(names)) < len(names):
                raise ConfigError(f"configuration field 'organisations' = {', '.join(names)} must have each name once, "
                                  f"of: {', '.join(TABLE_ORGANISATIONS)}")
            return
        for name in names:
            _BLOCKS[field].require(name, f"configuration field '{field}': ")
        if several and ("sum" not in names or len(set(names)) < len(names)):
            raise ConfigError(f"configuration field '{field}' = {', '.join(names)} must have 'sum', and each name once")

    def _require(self, field: str, condition: bool, rule: str) -> None:
        if not condition:
            raise ConfigError(f"configuration field '{field}' = {getattr(self, field)} {rule}")

    # -- presets and JSON ----------------------------------------------------------------------

    @classmethod
    def preset(cls, name: str) -> "CoreConfig":
        """A named preset: see PRESETS and NAMED."""
        if name not in NAMED:
            raise ConfigError(f"unknown preset '{name}'; there are: {', '.join(NAMED)}")
        return NAMED[name]

    @classmethod
    def of(cls, given: "CoreConfig | str | os.PathLike[str]") -> "CoreConfig":
        """A configuration itself, or what `load` reads.

        Raises:
            ConfigError: it is neither.
        """
        if not isinstance(given, CoreConfig | str | os.PathLike):
            raise ConfigError(f"config: needs a configuration, a preset's name or a JSON file, not {given!r}")
        return given if isinstance(given, CoreConfig) else cls.load(os.fspath(given))

    @classmethod
    def load(cls, source: str) -> "CoreConfig":
        """A preset by name, or a JSON file by path."""
        if source in NAMED:
            return NAMED[source]
        try:
            data = json.loads(read_text(source))
        except OSError as error:
            raise ConfigError(f"'{source}' is neither a preset ({', '.join(NAMED)}) nor a file that can be read: "
                              f"{error.strerror}") from error
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{source}: not JSON: {error}") from error
        return cls.from_json(data)

    @classmethod
    def from_json(cls, data: Any) -> "CoreConfig":
        """From a JSON object; 'preset' names what the other fields override."""
        if not isinstance(data, dict):
            raise ConfigError(f"a configuration must be a JSON object, not {type(data).__name__}")
        data = dict(data)
        preset = data.pop("preset", "grai_vip")
        if not isinstance(preset, str):
            raise ConfigError(f"'preset' must be the name of a preset, not {preset!r}")
        base = cls.preset(preset)
        known = {field.name for field in dataclasses.fields(cls)}
        unknown = sorted(set(data) - known)
        if unknown:
            raise ConfigError(f"unknown configuration fields: {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        for name in _LISTS:
            if isinstance(data.get(name), list):  # as JSON has tuples
                data[name] = tuple(data[name])
        return dataclasses.replace(base, **data)

    def to_json(self) -> dict[str, Any]:
        """Every field, in order."""
        return dataclasses.asdict(self) | {name: list(getattr(self, name)) for name in _LISTS}


PRESETS: dict[str, CoreConfig] = {
    "grai_vip": CoreConfig(),
    "fpga_small": CoreConfig(
        name="fpga_small", address_bits=12, coordinate_bits=6, channel_bits=8, kernel_bits=3, offset_bits=8,
        extent_unit_log2=1, edge_bits=4, population_bits=4, mesh_bits=3, axon_count_bits=4, incoming_bits=5,
        weight_stride_bits=12, counter_bits=32,
    ),
}
"""`grai_vip`: the paper's widths, 256 kB. `fpga_small`: 32 kB and narrow fields for small FPGAs."""

FLEXSPIM = CoreConfig(
    name="flexspim", update="cim", address_bits=17, population_bits=4, access_counters=1,
    neuron_types=("sum", "spiking"), cim_rows=512, cim_columns=256, cim_tags=1024,
)
"""A core with the array of the FlexSpIM chip, 512 rows of 256 columns (Chauvaux et al., arXiv 2410.23082, section III).
A megabyte behind it: all layers of the network for gestures, six convolutions and their pools, fit."""
NAMED = PRESETS | {FLEXSPIM.name: FLEXSPIM}
"""All configurations with a name: presets, and `flexspim`, whose networks `synapress cim` places, not `compile`."""
