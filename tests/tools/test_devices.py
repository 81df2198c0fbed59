"""Which device holds a block, by hand."""

import pytest

from synapress.tools.devices import FAMILIES, RESOURCES, fit


def needs(luts: int = 0, flip_flops: int = 0, block_rams: float = 0, dsps: int = 0) -> dict[str, float]:
    return {"luts": luts, "flip_flops": flip_flops, "block_rams": block_rams, "dsps": dsps}


@pytest.mark.parametrize(("target", "need", "device", "sentence"), [
    ("ice40", needs(1280, 9), "HX1K", "fits iCE40 HX1K (100 % of the LUTs, under 1 % of the flip-flops)."),
    ("ice40", needs(1281), "UP5K", "fits iCE40 UP5K (24 % of the LUTs)."),
    ("ice40", needs(40, block_rams=31), "HX8K", "fits iCE40 HX8K (under 1 % of the LUTs, 96 % of the block RAMs)."),
    ("ice40", needs(40, dsps=8), "UP5K", "fits iCE40 UP5K (under 1 % of the LUTs, 100 % of the multipliers)."),
    ("ice40", needs(14120, 100, 512), None, "does not fit any iCE40: the largest, HX8K, has 7,680 LUTs (it needs "
     "14,120) and 32 block RAMs (it needs 512)."),
    ("ice40", needs(7681, 7682, 33), None, "does not fit any iCE40: the largest, HX8K, has 7,680 LUTs (it needs "
     "7,681), 7,680 flip-flops (it needs 7,682) and 32 block RAMs (it needs 33)."),
    ("ice40", needs(6000, dsps=4), None, "does not fit any iCE40: the nearest, UP5K, has 5,280 LUTs (it needs 6,000)."),
    ("ecp5", needs(24289, 24289), "45k", "fits ECP5 45k (55 % of the LUTs, 55 % of the flip-flops)."),
    ("ecp5", needs(block_rams=200), "85k", "fits ECP5 85k (96 % of the block RAMs)."),
    ("ecp5", needs(dsps=157), None, "does not fit any ECP5: the largest, 85k, has 156 multipliers (it needs 157)."),
    ("xilinx", needs(block_rams=50.5), "XC7A100T", "fits 7 series XC7A100T (37 % of the block RAMs)."),
    ("xilinx", needs(block_rams=445.5), None, "does not fit any 7 series: the largest, XC7K325T, has 445 block RAMs "
     "(it needs 445.5)."),
    ("xilinx", needs(), "XC7A35T", "fits 7 series XC7A35T."),
])
def test_smallest_device(target: str, need: dict[str, float], device: str | None, sentence: str) -> None:
    found = fit(target, "x", need)
    assert (found.device, found.sentence) == (device, f"x {sentence}")
    assert (found.device is None) == bool(found.lacking)
    assert found.lacking == tuple(name for name in RESOURCES if need[name] > found.has[name])
    assert found.to_json()["needs"] == need


@pytest.mark.parametrize("target", FAMILIES)
def test_devices_are_told_from_small_to_large(target: str) -> None:
    devices = FAMILIES[target].devices
    assert [device.luts for device in devices] == sorted(device.luts for device in devices)
    assert FAMILIES[target].largest == devices[-1]
