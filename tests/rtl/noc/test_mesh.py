"""The Verilog of meshes: the node once, however many there are; the paper's 12 × 12 within its bars."""

import re
import resource
import subprocess
from pathlib import Path

import pytest

from golden.config import PRESETS
from golden.errors import ConfigError
from rtl.noc.mesh import Mesh
from rtl.verilog import generate
from synapress.tools.simulator import verilator_environment

SECONDS, MEGABYTES = 120, 4000
"""Bars for 144 cores."""


@pytest.mark.long
def test_the_mesh_of_the_paper(tmp_path: Path) -> None:
    """12 × 12 at the paper's widths: two kinds of nodes, each once; in two minutes, 4 GB; nothing to lint.

    `--json-only` has Verilator stop where its checks end, before it makes a copy of each node.
    """
    before = sum(resource.getrusage(who).ru_utime for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    path = generate("mesh", PRESETS["grai_vip"], tmp_path, columns=12, rows=12, hosts=[("north", 0), ("south", 5)])
    after = sum(resource.getrusage(who).ru_utime for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    most = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    assert after - before < SECONDS and most < MEGABYTES * 1000
    text = path.read_text()
    for part, count in (("node", 142), ("host_node", 2)):
        assert len(re.findall(rf"^module mesh_{part}\(", text, re.MULTILINE)) == 1
        assert len(re.findall(rf"^  mesh_{part} node_", text, re.MULTILINE)) == count
    lint = ["verilator", "--json-only", "-Mdir", str(tmp_path / "made"), "-Wall", "--quiet", "--top-module", "mesh"]
    options = {"env": verilator_environment(), "capture_output": True, "text": True, "check": False}
    done = subprocess.run([*lint, str(path.with_suffix(".vlt")), str(path)], **options)
    assert done.returncode == 0 and not done.stderr, done.stderr
    assert subprocess.run([*lint, str(path)], **options).returncode != 0  # it does check


def test_what_is_refused() -> None:
    with pytest.raises(ConfigError, match="no host place 3 at the north edge"):
        Mesh(PRESETS["fpga_small"], 3, 1, hosts=[("north", 3)])
