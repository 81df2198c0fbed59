"""Breaks the RTL on purpose, one change at a time, and checks that the named test fails.

    python -m studies.mutations [--only TEXT] [--write]

Each change is made in a copy of the tree; the test must pass there without it, and fail with it. `--write` puts the
table into docs/verification.md. Takes some minutes per ten changes.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from studies import mutants
from studies.backward_mutants import BACKWARD_MUTATIONS, BACKWARD_WHERE
from studies.bus_mutants import BUS_MUTATIONS, BUS_WHERE
from studies.cim_mutants import CIM_MUTATIONS, CIM_WHERE
from studies.cim_placing_mutants import CIM_PLACING_MUTATIONS, CIM_PLACING_WHERE
from studies.cim_store_mutants import CIM_STORE_MUTATIONS, CIM_STORE_WHERE
from studies.cim_update_mutants import CIM_UPDATE_MUTATIONS, CIM_UPDATE_WHERE
from studies.delay_mutants import DELAY_MUTATIONS, DELAY_WHERE
from studies.functional_mutants import FUNCTIONAL_MUTATIONS, FUNCTIONAL_WHERE
from studies.lava_mutants import LAVA_MUTATIONS, LAVA_WHERE
from studies.learning_mutants import LEARNING_MUTATIONS, LEARNING_WHERE
from studies.mutants import (
    ACCESS,
    AGREE,
    BOOTH,
    CIRCLE,
    COUNTERS,
    CROSSING,
    CYCLES,
    ESU,
    FAIR,
    FORWARD,
    HIT_TEST,
    HOSTILE,
    LETTERS,
    LOST,
    MESH,
    MODES,
    NETWORKS,
    REFRACTORY,
    ROUTER,
    SANE,
    SHORT,
    STATUS,
    STREAMS,
)
from studies.neuron_mutants import NEURON_MUTATIONS, NEURON_WHERE
from studies.on_chip_mutants import ON_CHIP_MUTATIONS, ON_CHIP_WHERE
from studies.organisation_mutants import ORGANISATION_MUTATIONS, ORGANISATION_WHERE
from studies.served_mutants import SERVED_MUTATIONS, SERVED_WHERE
from studies.sigma_delta_mutants import SIGMA_DELTA_MUTATIONS, SIGMA_DELTA_WHERE
from studies.silent_mutants import SILENT_MUTATIONS, SKIPPING
from studies.spike_time_mutants import SPIKE_TIME_MUTATIONS, SPIKE_TIME_WHERE
from studies.table_mutants import TABLE_MUTATIONS, TABLE_WHERE
from studies.ttfs_mutants import TTFS_MUTATIONS, TTFS_WHERE

MUTATIONS = (*mutants.MUTATIONS, *BUS_MUTATIONS, *SILENT_MUTATIONS, *SIGMA_DELTA_MUTATIONS, *NEURON_MUTATIONS,
             *DELAY_MUTATIONS, *LAVA_MUTATIONS, *ORGANISATION_MUTATIONS, *BACKWARD_MUTATIONS, *FUNCTIONAL_MUTATIONS,
             *TABLE_MUTATIONS, *SERVED_MUTATIONS, *TTFS_MUTATIONS, *LEARNING_MUTATIONS, *ON_CHIP_MUTATIONS,
             *SPIKE_TIME_MUTATIONS, *CIM_MUTATIONS, *CIM_STORE_MUTATIONS, *CIM_PLACING_MUTATIONS,
             *CIM_UPDATE_MUTATIONS)
ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("golden", "rtl", "tb", "synapress", "benchmarks", "examples", "tests", "studies")
PAGE = ROOT / "docs" / "verification.md"
MARK = "<!-- mutations -->"


def passes(tree: Path, test: str) -> bool:
    """Whether a test passes in a tree, in Verilator; the modes of Icarus in that."""
    cases = "grai_vip" if test == ESU else "fpga_small or banks"  # the smallest that see the changes
    plain = {NETWORKS: [], CYCLES: [], STATUS: [], SANE: [], AGREE: [], MODES: ["-k", "icarus"],
             REFRACTORY: ["-k", "verilator"], COUNTERS: [], HIT_TEST: ["-k", "verilator"], SHORT: [], LOST: [],
             BOOTH: [], FORWARD: [], ROUTER: ["-k", "verilator and host"], FAIR: [], STREAMS: ["-k", "router"],
             CIRCLE: [], ACCESS: [], CROSSING: ["-k", "not 0"], MESH: ["-k", "bursts"], LETTERS: [], HOSTILE: [],
             SKIPPING: ["-k", "verilator and grai"]}
    others = (BUS_WHERE | SIGMA_DELTA_WHERE | NEURON_WHERE | DELAY_WHERE | LAVA_WHERE | ORGANISATION_WHERE
              | BACKWARD_WHERE | FUNCTIONAL_WHERE | TABLE_WHERE | SERVED_WHERE | TTFS_WHERE | LEARNING_WHERE
              | ON_CHIP_WHERE | SPIKE_TIME_WHERE | CIM_WHERE | CIM_STORE_WHERE | CIM_PLACING_WHERE | CIM_UPDATE_WHERE)
    where = (plain | others).get(test, ["-k", f"verilator and ({cases})"])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-m", "not long", "-p", "no:cacheprovider", *where, test],
        cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)}, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{test}: pytest ended with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.returncode == 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="TEXT", help="changes whose description has this text")
    parser.add_argument("--write", action="store_true", help="put the table into docs/verification.md")
    arguments = parser.parse_args()
    if arguments.only and arguments.write:
        parser.error("--write writes the whole table: without --only")
    chosen = [mutation for mutation in MUTATIONS if arguments.only in mutation.what]
    with tempfile.TemporaryDirectory() as temporary:
        tree = Path(temporary)
        for room in ROOMS:
            shutil.copytree(ROOT / room, tree / room, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", tree)
        for test in dict.fromkeys(mutation.test for mutation in chosen):
            if not passes(tree, test):
                raise SystemExit(f"{test} fails without any change")
            print(f"passes as it is: {test}", flush=True)
        survivors = []
        for mutation in chosen:
            path = tree / mutation.file
            text = path.read_text()
            if text.count(mutation.old) != 1:
                raise SystemExit(f"{mutation.what}: {mutation.file} has the text {text.count(mutation.old)} times")
            path.write_text(text.replace(mutation.old, mutation.new))
            red = not passes(tree, mutation.test)
            path.write_text(text)
            print(f"{'red     ' if red else 'SURVIVED'} {mutation.what}: {mutation.test}", flush=True)
            if not red:
                survivors.append(mutation.what)
    if survivors:
        raise SystemExit(f"{len(survivors)} of {len(chosen)} changes were not seen")
    print(f"{len(chosen)} changes, all seen")
    if arguments.write:
        rows = "\n".join(f"| {item.what} | `{item.file}` | `{item.test}` |" for item in chosen)
        head, _, rest = PAGE.read_text().partition(MARK)
        tail = rest.partition(MARK)[2]
        table = f"\n| change | file | test that fails |\n|---|---|---|\n{rows}\n"
        PAGE.write_text(f"{head}{MARK}{table}{MARK}{tail}")


if __name__ == "__main__":
    main()
