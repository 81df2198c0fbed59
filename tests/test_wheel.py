"""The wheel and the sdist: what is in them, and that the wheel works beside folders named as in this repository."""

import ast
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {"golden", "rtl", "synapress"}
DATA = {"golden/py.typed", "rtl/py.typed", "synapress/py.typed", "synapress/engines/harness.cpp",
        *(f"synapress/energy/{name}.csv" for name in ("cacti", "schaefer", "schaefer_network")),
        *(f"synapress/engines/{name}.h" for name in ("host", "reader", "words")),
        *(f"synapress/engines/mesh/{name}" for name in ("host.h", "main.cpp", "nodes.h", "program.h")),
        "synapress/learning/learner.cpp", "synapress/reports/page.html", "synapress/zoo/digits/digits.npz",
        "synapress/zoo/spiking_digits/spiking_digits.nir"}
OUTSIDE = ("tb", "mapper", "examples", "tests", "studies", "benchmarks")
"""Names of packages that the wheel must not import: those of this repository, and one that a package within it has."""
NOISE = ("build/simulate/core.v", "build/lib/golden/words.py", ".venv/pyvenv.cfg", ".mypy_cache/x.json",
         "golden/__pycache__/words.cpython-311.pyc", "scratch/notes.py", "notes.txt")
"""What a working folder may hold, and no distribution must."""
_BACKEND = "import sys; from hatchling import build; print(getattr(build, 'build_' + sys.argv[1])(sys.argv[2]))"


def build(kind: str, source: Path, output: Path) -> Path:
    """A wheel or an sdist, as pip has the build backend make it."""
    output.mkdir()
    done = subprocess.run([sys.executable, "-c", _BACKEND, kind, str(output)], cwd=source, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 0, done.stderr
    return output / done.stdout.split()[-1]


def tracked() -> set[str]:
    """The files of the repository, which only a clone knows."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return {name for name in listed.split("\0") if name and (ROOT / name).exists()}


def entries(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.fixture(scope="module")
def dists(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel built from a working folder, the sdist of that, and the wheel built from the sdist."""
    folder = tmp_path_factory.mktemp("dists")
    source = folder / "source"
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, source / name)
    for name in NOISE:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("")
    sdist = build("sdist", source, folder / "sdist")
    with tarfile.open(sdist) as file:
        file.extractall(folder / "unpacked", filter="data")
    unpacked, = (folder / "unpacked").iterdir()
    return {"sdist": sdist, "wheel": build("wheel", source, folder / "wheel"),
            "wheel of sdist": build("wheel", unpacked, folder / "again")}


@pytest.fixture(scope="module")
def installed(dists: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as pip would fill it: the packages and their metadata, and the script in `bin`."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(dists["wheel"]) as file:
        file.extractall(folder)
    metadata, = folder.glob("*.dist-info")
    scripts = ConfigParser()
    scripts.read(metadata / "entry_points.txt")
    module, name = scripts["console_scripts"]["synapress"].split(":")
    (folder / "bin").mkdir()
    (folder / "bin/synapress").write_text(f"import sys\nfrom {module} import {name}\nsys.exit({name}())\n")
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Somebody's project, with packages that must not be imported from it."""
    for name in OUTSIDE:
        shadow(tmp_path, name)
    return tmp_path


def shadow(folder: Path, name: str) -> Path:
    package = folder / name
    package.mkdir()
    (package / "__init__.py").write_text(f"raise RuntimeError('{name} was imported')\n")
    return package


def run(installed: Path, cwd: Path, *arguments: str, first: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Python with the unpacked wheel and what it depends on, but (-S) without this clone, if that is installed."""
    libraries = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    path = [*([str(first)] if first else []), str(installed), *libraries]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "COLUMNS": "120"}
    return subprocess.run([sys.executable, "-S", *arguments], cwd=cwd, env=environment, capture_output=True, text=True,
                          check=False)


# -- what is in them ----------------------------------------------------------------------------


def test_the_wheel_holds_three_packages(dists: dict[str, Path]) -> None:
    names = set(entries(dists["wheel"]))
    metadata = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    assert names - metadata == {name for name in tracked() if name.split("/")[0] in PACKAGES}
    assert {name.split("/")[0] for name in names - metadata} == PACKAGES and len({
        name.split("/")[0] for name in metadata}) == 1
    assert names >= DATA


def test_the_wheel_of_the_sdist_is_the_same(dists: dict[str, Path]) -> None:
    assert entries(dists["wheel of sdist"]) == entries(dists["wheel"])


def test_the_sdist_holds_what_git_tracks_but_for_build(dists: dict[str, Path]) -> None:
    with tarfile.open(dists["sdist"]) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert names == {name for name in tracked() if not name.startswith("build/")} | {"PKG-INFO"}


def test_no_package_of_the_wheel_imports_one_outside_it() -> None:
    others = {path.parent.name for path in ROOT.glob("*/__init__.py")} - PACKAGES
    assert others == {"tb", "tests", "examples", "studies", "benchmarks"}
    for name in PACKAGES:
        for path in (ROOT / name).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                modules = ([item.name for item in node.names] if isinstance(node, ast.Import) else
                           [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else [])
                assert others.isdisjoint(module.split(".")[0] for module in modules), (path, node.lineno)


# -- the wheel in somebody's project ------------------------------------------------------------


def test_commands_and_api_work_there(installed: Path, project: Path) -> None:
    shown = run(installed, project, "-m", "synapress", "--help")
    assert (shown.returncode, shown.stderr) == (0, "") and "verilog" in shown.stdout
    done = run(installed, project, "-m", "synapress", "verilog", "core", "--config", "fpga_small")  # the fastest
    assert (done.returncode, done.stderr) == (0, "")
    assert "module core(" in (project / "build/verilog/core.v").read_text()
    assert {path.name for path in project.iterdir() if path.name not in OUTSIDE} == {"build"}
    done = run(installed, project, "-c", "import synapress; print(synapress.compile.__module__, synapress.__file__)")
    assert (done.stdout, done.stderr) == (f"synapress.model {installed}/synapress/__init__.py\n", "")


@pytest.mark.long  # compiles the core with Verilator
def test_demo_works_there(installed: Path, project: Path) -> None:
    def files() -> set[Path]:
        return {path for path in installed.rglob("*") if "__pycache__" not in path.parts}

    before, libraries = set(project.iterdir()), files()
    done = run(installed, project, "-m", "synapress", "demo", "--digits", "2", "--no-area")
    assert done.returncode == 0, done.stderr
    assert "RTL = golden, bit for bit" in done.stdout
    assert set(project.iterdir()) - before == {project / "build"}
    assert files() == libraries


def test_importing_it_is_light(installed: Path, project: Path) -> None:
    heavy = "{'numpy', 'amaranth', 'typer', 'golden', 'rtl', 'pathlib'}"
    done = run(installed, project, "-c", f"import sys, synapress; print({heavy} & set(sys.modules))")
    assert (done.stdout, done.stderr) == ("set()\n", "")


def one_line(done: subprocess.CompletedProcess[str], place: Path, installed: Path, name: str) -> str:
    """The message, which says what shadows which package; no traceback."""
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    start = f"synapress: {place} shadows its package '{name}' in {installed}: rename it, or "
    assert done.stderr.startswith(start), done.stderr
    return done.stderr.removeprefix(start).strip()


@pytest.mark.parametrize("name", ["golden", "rtl"])
def test_a_package_of_that_name_in_the_current_folder(name: str, installed: Path, project: Path) -> None:
    """One line, in each way to start; and both ways out that it names are ways out."""
    package = shadow(project, name)
    for start in (["-m", "synapress", "--help"], ["-msynapress", "verilog", "-m", "x"]):
        assert one_line(run(installed, project, *start), package, installed, name) == "run from another folder"
    done = run(installed, project, "-c", "import synapress")
    assert done.returncode == 1 and "Traceback" in done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"ImportError: synapress: {package} shadows its package '{name}'")
    (project / "elsewhere").mkdir()
    assert run(installed, project / "elsewhere", "-c", "import synapress").returncode == 0
    package.rename(project / "renamed")
    assert run(installed, project, "-c", "import synapress").returncode == 0


def test_a_module_earlier_on_the_path(installed: Path, tmp_path: Path) -> None:
    """The script is not disturbed by the current folder, but by what is searched before the installed packages."""
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "rtl.py").write_text("raise RuntimeError\n")
    script = str(installed / "bin/synapress")
    done = run(installed, tmp_path, script, "--version", first=foreign)
    helps = one_line(done, foreign / "rtl.py", installed, "rtl")
    assert helps == f"take {foreign} off PYTHONPATH and sys.path"
    assert run(installed, foreign, script, "--version").stdout.startswith("synapress ")


@pytest.mark.parametrize("linked", [("synapress",), ("synapress", "golden", "rtl")])
def test_links_to_the_packages_are_no_shadows(linked: tuple[str, ...], installed: Path, tmp_path: Path) -> None:
    for name in linked:
        (tmp_path / name).symlink_to(installed / name)
    assert run(installed, tmp_path, "-c", "import synapress").returncode == 0


def test_a_folder_without_code_shadows_nothing(installed: Path, tmp_path: Path) -> None:
    """A folder of Verilog named `rtl`: Python prefers a package with an `__init__.py` further on."""
    (tmp_path / "rtl").mkdir()
    (tmp_path / "rtl/core.v").write_text("")
    assert run(installed, tmp_path, "-c", "import synapress").returncode == 0


@pytest.mark.parametrize("folder", [False, True], ids=["", "and a folder of that name elsewhere"])
def test_a_package_that_is_missing(folder: bool, installed: Path, tmp_path: Path) -> None:
    """Renaming the other folder, which Python takes for a namespace package, would not help."""
    broken = tmp_path / "broken"
    for name in ("synapress", "golden"):
        (broken / name).mkdir(parents=True)
        shutil.copyfile(installed / name / "__init__.py", broken / name / "__init__.py")
    shutil.copyfile(installed / "synapress/__main__.py", broken / "synapress/__main__.py")
    if folder:
        (tmp_path / "rtl").mkdir()
    done = run(broken, tmp_path, "-m", "synapress", "--version")
    assert (done.returncode, done.stderr) == (
        1, f"synapress: its package 'rtl' is missing in {broken}: install Synapress again\n")
