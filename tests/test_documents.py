"""What README, CONTRIBUTING and the pages of docs/ say of the repository: paths, links, targets, commands, figures."""

import pkgutil
import re
import subprocess
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest

from studies import measured
from studies.sections import ASSERTED, SECTIONS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")),
         *sorted((ROOT / "examples").glob("*/README.md"))]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z0-9-]+):.*## ", MAKEFILE, re.MULTILINE))
TRAINING = re.findall(r'"(\w+)"', (ROOT / "synapress/training/__init__.py").read_text().partition("__all__")[2])
"""What can be imported from there only with PyTorch."""
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def anchors(text: str) -> set[str]:
    """Of the headings of a page, as GitHub makes them."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.+)$", prose, re.MULTILINE)}


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().split()) <= 1100


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    prose = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if link.startswith(("https://", "http://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT) and target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text()), link


@each_page
def test_targets_of_make_exist(page: Path) -> None:
    named = set(re.findall(r"(?:^|`)make ([a-z0-9-]+)", page.read_text(), re.MULTILINE))
    assert named <= TARGETS


def paths(text: str) -> set[str]:
    """Everything in a text that is written as code and looks like a path of the repository."""
    code = re.findall(r"```console\n(.*?)```", text, re.DOTALL) + re.findall(r"`([^`\n]+)`", text)
    words = {word.split("::")[0] for piece in code for word in re.sub(r"#.*", "", piece).split()}
    return {word for word in words if re.fullmatch(r"[\w.*<>-]*/[\w./*<>-]*|[\w-]+\.(md|toml)", word)
            and not word.startswith((".venv/", "build/", "/"))}


def test_contributing_names_the_rooms() -> None:
    assert {"rtl/verilog.py", "synapress/mapper/importers/onnx/operators/", ".ci/run", "tests/golden",
            "tb/tb_<block>.py"} <= paths(CONTRIBUTING)


@each_page
def test_paths_exist(page: Path) -> None:
    """Patterns match something, and `<block>` stands for each block with a file of its own in all folders."""
    for path in paths(page.read_text()) - {"/"}:
        for block in ("peg", "esu") if "<block>" in path else ("",):
            pattern = path.replace("<block>", block).rstrip("/")
            assert any(ROOT.glob(pattern)) or (page.parent / pattern).exists(), path


@each_page
def test_modules_and_their_names_exist(page: Path) -> None:
    """`package.module.name` in code imports, and so do functions and fields of it."""
    for name in re.findall(r"`((?:synapress|golden|rtl|tb|studies|benchmarks)(?:\.\w+)+)", page.read_text()):
        if find_spec("torch") is None and re.match(r"synapress\.training\b", name):
            assert name.rpartition(".")[2] in ("training", *TRAINING), name
        else:
            pkgutil.resolve_name(name)


def test_names_in_contributing_exist() -> None:
    for name, file in (("def operator", "synapress/mapper/importers/onnx/registry.py"),
                       ("class NeuronModel", "golden/neuron/interface.py"), ("TOPS", "rtl/verilog.py"),
                       ("class Sheet", "synapress/reports/tables.py"), ("def seed", "tests/conftest.py")):
        assert name in (ROOT / file).read_text()
        assert name.removeprefix("class ").removeprefix("def ") in CONTRIBUTING


def test_every_target_says_how_long_it_takes() -> None:
    shown = subprocess.run(["make", "-C", ROOT, "--no-print-directory", "help"], capture_output=True, text=True,
                           check=True).stdout
    lines = shown.splitlines()[:-1]
    assert {line.split()[1] for line in lines[::2]} == TARGETS
    assert all(re.match(r" +about \d", line) for line in lines[1::2])
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert phony is not None and set(phony.group(1).split()) == TARGETS


def test_continuous_integration_runs_what_everyone_can() -> None:
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    assert "run: .ci/run" in workflow and "timeout-minutes: 90" in workflow
    assert (ROOT / ".ci/run").stat().st_mode & 0o100
    python = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert f'python-version: "{python.removeprefix(">=")}"' in workflow
    assert set(re.findall(r"^make ([a-z0-9-]+)", (ROOT / ".ci/run").read_text(), re.MULTILINE)) <= TARGETS


def test_changelog_has_the_version() -> None:
    import synapress

    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased" and headings[1] == synapress.__version__


def test_headline_figures_are_those_of_the_measured_page() -> None:
    """Figures of README's table are rows, to the letter, of the section that they link to."""
    text = (ROOT / "README.md").read_text()
    rows = re.findall(r"^\| (.+?) \| (.+?) \| \[(\w+)\]\(docs/measured\.md#", text, re.MULTILINE)
    assert len(rows) >= 4
    sections = measured.sections_of(measured.PAGE.read_text())
    for what, value, section in rows:
        assert f"| {what.split(' (')[0]} | {value} |" in sections[section], what


def test_the_measured_page_is_as_its_command_writes_it() -> None:
    """But for the figures: head, sections, commands and order are those of today's code."""
    text = measured.PAGE.read_text()
    assert measured.page(measured.sections_of(text)) == text
    for name, body in measured.sections_of(text).items():
        assert body.startswith(f"## {SECTIONS[name].title} ({name})\n")
        assert all(f"`{command.shown}`" in body for command in SECTIONS[name].commands)


def test_commands_of_the_measured_page_exist() -> None:
    for section in SECTIONS.values():
        for command in section.commands:
            module = ROOT / command.module.replace(".", "/")
            assert module.with_suffix(".py").is_file() or (module / "__main__.py").is_file()
            assert command.shown.split()[0] != "make" or command.shown.split()[1] in TARGETS
    for _, command in ASSERTED:
        assert (ROOT / command.split()[1]).is_file()
