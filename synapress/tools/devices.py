"""Whether a device of an FPGA family holds a block, by the figures of data sheets.

Pins are not counted: a block is usually a part of a design. A nearly full device may still fail to be routed.
"""

from dataclasses import asdict, dataclass
from typing import Any

RESOURCES = {"luts": "LUTs", "flip_flops": "flip-flops", "block_rams": "block RAMs", "dsps": "multipliers"}
"""What is counted, and how a sentence calls it."""


@dataclass(frozen=True)
class Device:
    """One device and what it has; block RAMs of the size that `FpgaArea` counts."""

    name: str
    luts: int
    flip_flops: int
    block_rams: int
    dsps: int

    def has(self, resource: str) -> int:
        """How many of one of RESOURCES."""
        count: int = getattr(self, resource)
        return count


@dataclass(frozen=True)
class Family:
    """Devices of one family, from small to large."""

    name: str
    devices: tuple[Device, ...]

    @property
    def largest(self) -> Device:
        return max(self.devices, key=lambda device: device.luts)


FAMILIES = {
    # iCE40 LP/HX Family Data Sheet (FPGA-DS-02029), table of the family: logic cells of one LUT and one flip-flop, and
    # RAM4K blocks. iCE40 UltraPlus Family Data Sheet (FPGA-DS-02008): 5,280 cells, 30 RAMs of 4 kb, 8 multipliers. Its
    # four single-port RAMs of 256 kb are left out: synthesis does not use them unless a design names them.
    "ice40": Family("iCE40", (Device("HX1K", 1280, 1280, 16, 0), Device("UP5K", 5280, 5280, 30, 8),
                              Device("HX8K", 7680, 7680, 32, 0))),
    # What nextpnr-ecp5 counts as available: TRELLIS_COMB, TRELLIS_FF, DP16KD, MULT18X18D. ECP5 and ECP5-5G Family Data
    # Sheet (FPGA-DS-02012) has the same numbers of RAMs and multipliers, and LUTs in thousands.
    "ecp5": Family("ECP5", (Device("25k", 24288, 24288, 56, 28), Device("45k", 43848, 43848, 108, 72),
                            Device("85k", 83640, 83640, 208, 156))),
    # 7 Series FPGAs Data Sheet: Overview (DS180): slices of four LUTs and eight flip-flops, RAMs of 36 kb, DSP48E1.
    "xilinx": Family("7 series", (Device("XC7A35T", 20800, 41600, 50, 90), Device("XC7A100T", 63400, 126800, 135, 240),
                                  Device("XC7K325T", 203800, 407600, 445, 840))),
}
"""By the names of targets of `synapress.tools.area`."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """Which device of a family holds a block: the smallest, or None and what the nearest one lacks."""

    family: str
    device: str | None
    nearest: str
    """The device that holds it, or the one that comes nearest to that."""
    needs: dict[str, float]
    has: dict[str, int]
    """Of the nearest device, by resource as `needs`."""
    lacking: tuple[str, ...]
    """Resources of which the block needs more than the nearest device has."""
    sentence: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def fit(target: str, block: str, needs: dict[str, float]) -> Fit:
    """The smallest device of a target's family that holds a block; otherwise what the nearest one lacks.

    Args:
        target: a key of FAMILIES.
        block: its name, for the sentence.
        needs: how many of each of RESOURCES.
    """
    family = FAMILIES[target]
    holding = [device for device in family.devices if not _lacking(device, needs)]
    nearest = holding[0] if holding else min(family.devices, key=lambda device: _distance(device, needs))
    lacking = _lacking(nearest, needs)
    if not holding:
        rank = "largest" if nearest == family.largest else "nearest"
        *some, last = [f"{nearest.has(name):,} {RESOURCES[name]} (it needs {_count(needs[name])})" for name in lacking]
        few = f"{', '.join(some)} and {last}" if some else last
        sentence = f"{block} does not fit any {family.name}: the {rank}, {nearest.name}, has {few}."
    else:
        used = ", ".join(f"{_percent(needs[name], nearest.has(name))} of the {RESOURCES[name]}"
                         for name in RESOURCES if needs[name])
        sentence = f"{block} fits {family.name} {nearest.name}{f' ({used})' if used else ''}."
    return Fit(family=family.name, device=holding[0].name if holding else None, nearest=nearest.name, needs=needs,
               has={name: nearest.has(name) for name in RESOURCES}, lacking=lacking, sentence=sentence)


def _lacking(device: Device, needs: dict[str, float]) -> tuple[str, ...]:
    return tuple(name for name in RESOURCES if needs[name] > device.has(name))


def _distance(device: Device, needs: dict[str, float]) -> tuple[float, int]:
    """How far a device is from holding a block: by its scarcest resource, of equal ones by the fewer LUTs."""
    scarcest = max(needs[name] / device.has(name) if device.has(name) else float("inf") if needs[name] else 0
                   for name in RESOURCES)
    return scarcest, -device.luts


def _count(number: float) -> str:
    return f"{number:,.15g}"  # block RAMs may be halves


def _percent(need: float, have: int) -> str:
    """Never rounded up to 100 % nor down to 0 %: both would say something else."""
    share = 100 * need / have
    return "under 1 %" if share < 1 else f"{int(share)} %"
