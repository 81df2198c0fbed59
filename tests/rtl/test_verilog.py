"""Verilog output and its description: the same in every run, and true."""

import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from amaranth import Module, Signal
from amaranth.back import rtlil
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import Out

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.words import layouts
from rtl import verilog
from tests.tb.demo import REQUEST, Demo

SMALL = CoreConfig.preset("fpga_small")
LEAN = dataclasses.replace(SMALL, name="lean", banks=2, neuron_types=("sum",))
"""Cores that are converted fast."""


def module_ports(text: str, module: str) -> dict[str, tuple[str, int]]:
    """Direction and width of the ports of a module, read from the Verilog alone."""
    body = re.search(rf"^module {module}\(.*?^endmodule", text, re.MULTILINE | re.DOTALL)
    assert body is not None
    found = re.findall(r"^  (input|output) (?:\[(\d+):0\] )?(\w+);", body[0], re.MULTILINE)
    return {name: (direction, int(high or 0) + 1) for direction, high, name in found}


@pytest.mark.parametrize("top", [
    pytest.param(top, marks=pytest.mark.long) if top in ("mesh", "mesh_axi") else top for top in verilog.TOPS])
def test_every_block_is_described(top: str, tmp_path: Path) -> None:
    config = LEAN if top in verilog.LARGE else SMALL
    path = verilog.generate(top, config, tmp_path)
    description = json.loads((tmp_path / f"{top}.json").read_text())
    expected = module_ports(path.read_text(), top)
    assert len(expected) > 4
    assert {port["name"]: (port["direction"], port["width"]) for port in description["ports"]} == expected
    assert {"clk", "rst"} <= set(expected) or {"aclk", "aresetn"} <= set(expected)
    grouped = [port for interface in description["interfaces"] for port in interface["ports"]]
    assert grouped and set(grouped) <= set(expected) and len(grouped) == len(set(grouped))
    assert CoreConfig.from_json(description["parameters"]) == config
    name = verilog.TOPS[top][1]  # that of a class, or of what chooses one
    classes = {"evaluation_unit": "Evaluation", "macro_of": "CimMacro"}
    assert description["module"] == top and description["class"] == classes.get(name, name)


def test_same_text_in_every_process(tmp_path: Path) -> None:
    """Names and order must not depend on hashing or on what was made before."""
    code = ("import sys; from pathlib import Path; from rtl.verilog import generate; from golden.config import *;"
            "[generate(top, CoreConfig.preset('fpga_small'), Path(sys.argv[1])) for top in sys.argv[2:]]")
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, order, hash_seed in zip(folders, (["peg", "esu"], ["esu", "peg"]), ("1", "2"), strict=True):
        subprocess.run([sys.executable, "-c", code, str(folder), *order], check=True,
                       env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(filter(None, sys.path))})
    for name in ("peg.v", "peg.json", "esu.v", "esu.json"):
        assert folders[0].joinpath(name).read_bytes() == folders[1].joinpath(name).read_bytes()


def test_word_fields_are_those_of_the_golden_words(tmp_path: Path, seed: int) -> None:
    """A word packed by the golden model, taken apart by the bit positions of the description alone."""
    verilog.generate("peg", SMALL, tmp_path)
    words = json.loads((tmp_path / "peg.json").read_text())["words"]
    checked = 0
    for layout in vars(layouts(SMALL)).values():
        described = words[layout.name]
        assert described["width"] == layout.bits <= 64
        pattern = seed
        for _ in range(20):
            pattern = pattern * 6364136223846793005 + 1442695040888963407 & (1 << 64) - 1
            word = pattern & (1 << layout.bits) - 1
            values = {}
            for field in described["fields"]:
                raw = word >> field["low"] & (1 << field["width"]) - 1
                if field["signed"] and field["width"] and raw >> field["width"] - 1:
                    raw -= 1 << field["width"]
                values[field["name"]] = raw + field["bias"]
            assert values == layout.unpack(word)
            checked += 1
    assert checked == 20 * len(words) > 0


def test_ports_streams_and_structs() -> None:
    demo = Demo()
    text = verilog.to_verilog(demo, "demo")
    description = verilog.describe(demo, "demo", SMALL, text)
    ports = {port["name"]: port for port in description["ports"]}
    assert "echo__ready" not in ports  # always ready: no such port in the Verilog either
    assert "echo__ready" not in text
    fields = {field["name"]: field for field in ports["request__payload"]["fields"]}
    assert fields["add"] == {"name": "add", "low": 4, "width": 9, "signed": True}
    assert ports["request__payload"]["width"] == REQUEST.size
    interfaces = {interface["name"]: interface for interface in description["interfaces"]}
    assert interfaces["request"] == {
        "name": "request", "kind": "stream", "role": "sink",
        "ports": ["request__payload", "request__valid", "request__ready"]}
    assert interfaces["reply"]["role"] == "source"
    assert (interfaces["table"]["kind"], interfaces["table"]["role"]) == ("ReadPort", "initiator")
    assert (interfaces["memory"]["kind"], len(interfaces["memory"]["ports"])) == ("MemoryPort", 6)


def test_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown block 'cpu'; there are: peg, esu"):
        verilog.generate("cpu", SMALL, tmp_path)
    with pytest.raises(ConfigError, match="'1-peg' cannot name a Verilog module"):
        verilog.generate("peg", SMALL, tmp_path, name="1-peg")
    assert not list(tmp_path.iterdir())


class Contents(wiring.Component):
    """Two memories that begin with zeros, and one that does not."""

    def __init__(self) -> None:
        self.contents = {"words": (16, 12, []), "bits": (1, 2, [0]), "table": (5, 4, [0, 9, 31])}
        super().__init__({name: Out(width) for name, (width, _, _) in self.contents.items()})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        count = Signal(4)
        m.d.sync += count.eq(count + 1)
        for name, (width, depth, init) in self.contents.items():
            m.submodules[name] = made = Memory(shape=width, depth=depth, init=init)
            read, write = made.read_port(), made.write_port()
            m.d.comb += [read.addr.eq(count), getattr(self, name).eq(read.data), write.addr.eq(count),
                         write.data.eq(count), write.en.eq(count[0])]
        return m


def test_contents_of_memories_are_as_amaranth_writes_them() -> None:
    """Of two components, as a conversion must leave nothing behind."""
    one, two = Contents(), Contents()
    whole = rtlil.convert(one, name="contents", ports=verilog.ports(one), emit_src=False)
    assert f"192'{'0' * 192}" in whole and "20'00000111110100100000" in whole
    assert verilog.to_rtlil(two, "contents") == verilog.to_rtlil(one, "contents") == whole
    assert rtlil.convert(two, name="contents", ports=verilog.ports(two), emit_src=False) == whole
