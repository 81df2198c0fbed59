"""The forms of what refusals advise that a test can follow, and how.

A form is a pattern and a follower: of a call that was refused, it makes calls as the hint says. What a hint says
besides is in `tests.helpers.free_hints`.
"""

import ast
import dataclasses
import inspect
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from golden.config import CoreConfig
from synapress import model
from synapress.cli.main import app
from synapress.cli.options import constants, input_shapes, mesh_size
from synapress.host import reading
from synapress.mapper import compile_mesh, compile_network
from synapress.mapper.cim.image import build_cim_image
from synapress.mapper.cim.shapes import LayerOptions
from synapress.mapper.image.image import build_image
from synapress.mapper.importers.lava.reader import read_lava
from synapress.mapper.importers.neurons import Neurons
from synapress.mapper.importers.nir import reader as nir_reader
from synapress.mapper.importers.onnx import proto, reader
from synapress.mapper.lowering.fuse import fuse
from synapress.mapper.network.legal_edges import legalize
from synapress.mapper.partition.cut import cut
from synapress.mapper.partition.search import partition
from synapress.mapper.placement.place import place, place_all
from synapress.mapper.quantization.quantize import quantize
from synapress.mapper.quantization.quantized import Options
from synapress.mapper.rules import check
from synapress.spike_times.convert import convert

VERBS = (model.load, model.compile, model.compile_to, reading.read, nir_reader.read_nir, read_lava, proto.load_proto,
         reader.read_onnx, fuse, quantize, legalize, check, build_image, partition, cut, place, place_all, compile_mesh,
         compile_network, convert, build_cim_image)
"""What is called to follow a hint, with other arguments."""
SIZES = (8, 16, 32, 64, 1)
"""Tried for a size that a hint leaves to the user."""

Thunk = Callable[[], Any]
Way = list[Thunk]
"""Calls of which one must not be refused for the same reason."""


@dataclass(frozen=True, eq=False)
class Call:
    """A call that was refused."""

    verb: Callable[..., Any]
    given: dict[str, Any]

    def run(self, **changed: Any) -> Any:
        return self.verb(**self.given | changed)

    def takes(self, *names: str) -> bool:
        return set(names) <= set(inspect.signature(self.verb).parameters)


Follow = Callable[[Call, Sequence[re.Match[str]]], Iterator[Way]]
"""The ways that a refusal advises in a form, each of which must work; none if the call lacks what would be changed."""


@dataclass(frozen=True)
class Form:
    """A form of hints."""

    name: str
    pattern: re.Pattern[str]
    follow: Follow


FORMS: list[Form] = []


def form(name: str, pattern: str) -> Callable[[Follow], Follow]:
    def add(follow: Follow) -> Follow:
        FORMS.append(Form(name, re.compile(pattern), follow))
        return follow

    return add


# -- operands of an array ------------------------------------------------------------------------


@form("operands", r"(?i:set (\w+) of '([^']+)' to (\d+))")
def operands(call: Call, found: Sequence[re.Match[str]]) -> Iterator[Way]:
    """Other numbers for the operands of layers, all that the hints of one rule name."""
    if call.takes("layers"):
        layers = dict(call.given.get("layers") or {})
        for name, layer, value in (match.groups() for match in found):
            layers[layer] = dataclasses.replace(layers.get(layer, LayerOptions()), **{name: int(value)})
        yield [lambda: call.run(layers=layers)]


# -- configurations ----------------------------------------------------------------------------


_FIELD = r"(?:raise|lower) \w+ to \d+"


@form("field", rf"(?i:{_FIELD}(?: and {_FIELD})*)")
def fields(call: Call, found: Sequence[re.Match[str]]) -> Iterator[Way]:
    """All fields that the hints of one rule name, each with the most bits that any asks for."""
    asked: dict[str, int] = {}
    for match in found:
        for name, bits in re.findall(r"(\w+) to (\d+)", match[0]):
            asked[name] = max(asked.get(name, 0), int(bits))
    if call.takes("config"):
        config = dataclasses.replace(CoreConfig.of(call.given.get("config") or "grai_vip"), **asked)
        yield [lambda: call.run(config=config)]
    elif call.takes("cut"):
        parts = call.given["cut"]
        yield [lambda: call.run(cut=cut(parts.program, dataclasses.replace(parts.config, **asked), parts.grids))]


@form("type", r"(?i:add '([\w…]+)' to neuron_types(?:, with state_bits at (\d+))?)")
def neuron_type(call: Call, found: Sequence[re.Match[str]]) -> Iterator[Way]:
    """A core with a type more, and states as wide as it takes."""
    if call.takes("config"):
        config = CoreConfig.of(call.given.get("config") or "grai_vip")
        more = dataclasses.replace(config, neuron_types=(*config.neuron_types, found[0][1]),
                                   state_bits=int(found[0][2] or config.state_bits))
        yield [lambda: call.run(config=more)]


@form("product", r"(?i:set product to '([\w…]+)'(, and leave the neuron type '(?:product|…)' out)?"
                 r"(, and leave organisations out, with decoder '(?:esu|…)')?)")
def other_product(call: Call, found: Sequence[re.Match[str]]) -> Iterator[Way]:
    """A core with another product."""
    if call.takes("config"):
        config = CoreConfig.of(call.given.get("config") or "grai_vip")
        types = tuple(name for name in config.neuron_types if name != "product" or not found[0][2])
        tables = {"organisations": (), "decoder": "esu"} if found[0][3] else {}
        other = dataclasses.replace(config, product=found[0][1], neuron_types=types, **tables)
        yield [lambda: call.run(config=other)]


@form("organisation", r"(?i:set decoder to '(?:mixed|…)' and add '([\w…]+)' to organisations)")
def organisation(call: Call, found: Sequence[re.Match[str]]) -> Iterator[Way]:
    """A core with an organisation of tables more."""
    if call.takes("config"):
        config = CoreConfig.of(call.given.get("config") or "grai_vip")
        names = tuple(dict.fromkeys((*config.organisations, *(match[1] for match in found))))
        yield [lambda: call.run(config=dataclasses.replace(config, decoder="mixed", organisations=names))]


@form("levels", r"(?i:give fewer activation levels \(Options\.levels, --levels\))")
def levels(call: Call, found: Sequence[re.Match[str]]) -> Iterator[Way]:
    if call.takes("options"):
        given = call.given.get("options") or Options()
        yield [lambda count=count: call.run(options=dataclasses.replace(given, levels=count))
               for count in (127, 31, 7, 1)]


@form("headroom", r"(?i:give more headroom \(Options\.headroom, --headroom\))")
def headroom(call: Call, found: Sequence[re.Match[str]]) -> Iterator[Way]:
    if call.takes("options"):
        given = call.given.get("options") or Options()
        yield [lambda room=room: call.run(options=dataclasses.replace(given, headroom=room))
               for room in (max(2.0, 2 * given.headroom), 100 * given.headroom)]


# -- meshes and edges --------------------------------------------------------------------------


@form("mesh", r"(?i:map it to a mesh(?:, which cuts the maps for it)?)")
def mesh(call: Call, found: Sequence[re.Match[str]]) -> Iterator[Way]:
    if call.takes("mesh") and call.takes("source"):
        yield [lambda: call.run(mesh=True)]
    elif call.takes("network", "config"):
        yield [lambda: compile_mesh(call.given["network"], call.given["config"])]
    elif call.takes("program", "config"):
        yield [lambda: partition(call.given["program"], call.given["config"])]


@form("size", r"(?i:use a mesh of (\d+) × (\d+), or a larger one)")
def size(call: Call, found: Sequence[re.Match[str]]) -> Iterator[Way]:
    name = next((name for name in ("size", "mesh") if call.takes(name)), None)
    if name is not None:
        columns, rows = map(int, found[0].groups())
        yield [lambda: call.run(**{name: (columns, rows)})]
        yield [lambda: call.run(**{name: (columns + 1, rows + 1)})]


@form("throughput", r"(?i:give throughput at least (\d+) cores)")
def throughput(call: Call, found: Sequence[re.Match[str]]) -> Iterator[Way]:
    if call.takes("throughput"):
        name = next(name for name in ("size", "mesh") if call.takes(name))
        more = dataclasses.replace(call.given["throughput"], cores=int(found[0][1]))
        yield [lambda: call.run(**{name: None}, throughput=more)]


@form("legalize", r"(?i:synapress\.mapper\.legalize (?:adapts|fills|moves|splits) [^.,;]+)")
def legal(call: Call, found: Sequence[re.Match[str]]) -> Iterator[Way]:
    if call.takes("program", "config"):
        yield [lambda: call.run(program=legalize(call.given["program"], call.given["config"]))]


# -- arguments ---------------------------------------------------------------------------------


def options() -> set[str]:
    """All options of the command line."""
    command: Any = typer.main.get_command(app)
    return {option for each in command.commands.values() for item in each.params for option in item.opts}


def parsed(arguments: Sequence[str]) -> dict[str, Any]:
    """Options of `synapress compile` as arguments of `load` and `compile`."""
    command: Any = typer.main.get_command(app)
    found = command.commands["compile"].make_context("compile", ["file", *arguments]).params
    values = {"cut": found["cut"], "constants": constants(found["constant"]),
              "host_after": found["host_after"], "neurons": found["neurons"],
              "shapes": input_shapes(found["shape"]), "mesh": mesh_size(found["mesh"])}
    return {name: value for name, value in values.items() if value}


def loaded(call: Call, **changed: Any) -> Iterator[Thunk]:
    """The call with other arguments of `load`, if it reads a file."""
    if call.takes(*changed):
        yield lambda: call.run(**changed)
    elif isinstance(call.given.get("source"), (str, Path)) and call.takes("mesh"):
        yield lambda: call.run(source=model.load(call.given["source"], **changed))


@form("load", r"load\(\.\.\., (.*?)\), (?:or|on the command line) (--.*?)(?=[.;] |[.;]?$)")
def load(call: Call, found: Sequence[re.Match[str]]) -> Iterator[Way]:
    """A line in Python, and one that gives the same on the command line."""
    way: Way = []
    for number in SIZES if "…" in found[0][0] else (0,):
        python, line = (text.replace("…", str(number)) for text in found[0].groups())
        (made,) = (node for node in ast.walk(ast.parse(f"load({python})")) if isinstance(node, ast.Call))
        changed = {str(item.arg): ast.literal_eval(item.value) for item in made.keywords}
        told = parsed(shlex.split(line))
        names = {"host_after": [changed["host_after"]]} if isinstance(changed.get("host_after"), str) else {}
        assert changed | names == told, f"{python} and {line} differ"
        way += loaded(call, **changed)
    if way:
        yield way


_NEURONS = r"(?:\w+=[\w-]+(?:\.\w+)?,?)+"


@form("neurons", rf"(?:\b[Gg]ive|\badd) ({_NEURONS})(?: \(neurons='([^']+)'\))?|(method=exact) takes any")
def neurons(call: Call, found: Sequence[re.Match[str]]) -> Iterator[Way]:
    some, whole, exact = found[0].groups()
    before = call.given.get("neurons")
    before = Neurons.parse(before) if isinstance(before, str) else before or Neurons()
    asked = Neurons.parse(some or exact)
    names = [part.partition("=")[0] for part in (some or exact).rstrip(",").split(",")]
    for given in (dataclasses.replace(before, **{name: getattr(asked, name) for name in names}), whole):
        if given is not None and (way := list(loaded(call, neurons=given))):
            yield way


@form("leave out", r"(?i:leave (\w+(?:(?:, | or | and )\w+)*) out)")
def leave_out(call: Call, found: Sequence[re.Match[str]]) -> Iterator[Way]:
    """Arguments all of which, or one of which, is left out."""
    names = re.split(", | or | and ", found[0][1])
    for some in [[name] for name in names] if " or " in found[0][1] else [names]:
        if call.takes(*some):
            rest = {name: value for name, value in call.given.items() if name not in some}
            yield [lambda rest=rest: call.verb(**rest)]


@form("names", r"Names that are like it: (.*)\.$")
def names(call: Call, found: Sequence[re.Match[str]]) -> Iterator[Way]:
    if call.takes("host_after"):
        yield [lambda name=name: call.run(host_after=name) for name in found[0][1].split(", ")]
