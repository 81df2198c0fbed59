"""`synapress verify`: one of Lava's networks against Lava's equations, and against what was recorded of it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from golden.config import CoreConfig
from golden.errors import ConfigError
from golden.neuron.types.cuba import CURRENT_BITS
from golden.types import IntArray
from synapress.cli import completion
from synapress.cli.options import AsJson, mesh_size, print_json, read_arrays, steps, warnings_told
from synapress.reports.tables import Sheet, show

LAYOUTS = {2: "CT", 3: "NCT", 4: "CHWT", 5: "NCHWT"}
"""By dimensions, as SLAYER has them."""
LATE = 16
"""Silent timesteps in front of a recording that are looked for, at most: Lava's layers are one timestep apart."""


@dataclass(kw_only=True)
class Verdict:
    """What was compared of one layer."""

    layer: str
    kind: str
    neurons: int
    spikes: int
    different: int
    """From Lava's equations."""
    currents: tuple[int, int]
    potentials: tuple[int, int]
    recorded: dict[str, Any] | None = field(default=None)
    """Spikes of the recording that were compared, those that differ, and how many timesteps it begins earlier."""

    @property
    def equal(self) -> bool:
        return not self.different and not (self.recorded or {}).get("different")


def maps(text: str, timesteps: int | None) -> IntArray:
    """Frames (sequences, timesteps, channels, columns, rows) of FILE or FILE:LAYOUT.

    Raises:
        ConfigError: the file cannot be read, or the layout does not fit it.
    """
    name, colon, layout = text.rpartition(":")
    if not colon or not layout.isalpha() or not layout.isupper():
        name, layout = text, ""
    array = read_arrays(Path(name))
    if not isinstance(array, np.ndarray):
        raise ConfigError(f"'{name}' has several arrays; give a .npy file")
    layout = layout or LAYOUTS.get(array.ndim, "")
    if len(set(layout)) != len(layout) or len(layout) != array.ndim or not set(layout) <= set("NTCWH"):
        raise ConfigError(f"'{name}' is {array.shape}; give FILE:LAYOUT with a letter for each dimension: N sequences, "
                          "T timesteps, C channels, W columns, H rows, as NCHWT")
    if array.dtype.kind not in "biuf" or (array != np.rint(array)).any() or np.abs(
            array.astype(np.float64)).max(initial=0) >= 1 << 53:
        raise ConfigError(f"'{name}' holds {array.dtype} values of which some are no integers, or too large for any")
    missing = [letter for letter in "NTCWH" if letter not in layout]
    whole = array.reshape(*array.shape, *(1 for _ in missing)).transpose(
        [(layout + "".join(missing)).index(letter) for letter in "NTCWH"]).astype(np.int64)
    if "T" not in layout:
        if timesteps is None:
            raise ConfigError(f"'{name}' has no timesteps: give --timesteps, for which it is repeated")
        whole = np.repeat(whole, timesteps, axis=1)
    return whole


def against(found: IntArray, recorded: IntArray) -> dict[str, int]:
    """A recording against spikes, both (sequences, timesteps, ...); it may begin with silent timesteps.

    One without spikes does not tell how late it is: it begins where the layer does.

    Raises:
        ConfigError: they have different sizes, or the recording has no timesteps.
    """
    if not recorded.shape[1]:
        raise ConfigError("a recording has no timesteps: give one that has some, or leave out its --expect")
    if found.shape[0] != recorded.shape[0] or found.shape[2:] != recorded.shape[2:]:
        raise ConfigError(f"a recording of {recorded.shape[0]} sequences of maps {recorded.shape[2:]} (channels, "
                          f"columns, rows); the layer has {found.shape[0]} of {found.shape[2:]}: give its layout, as "
                          "FILE:NCHWT")
    tried = []
    for late in range(min(LATE, recorded.shape[1] - 1) + 1 if recorded.any() else 1):
        if recorded[:, :late].any():
            break
        length = min(found.shape[1], recorded.shape[1] - late)
        seen = recorded[:, late:late + length]
        tried.append({"different": int((found[:, :length] != seen).sum()), "late": late, "timesteps": length,
                      "spikes": int(np.count_nonzero(seen))})
    return min(tried, key=lambda each: each["different"])


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE.net", help="One of Lava-DL's networks.")],
    inputs: Annotated[str, typer.Option(
        "--inputs", "-i", metavar="FILE[:LAYOUT]", help="Its frames, .npy: spikes, or what the neurons of the input "
        "layer get. LAYOUT has a letter for each dimension: N sequences, T timesteps, C channels, W columns, H rows. "
        "Default: CT, NCT, CHWT or NCHWT, as in SLAYER.")],
    expect: Annotated[list[str] | None, typer.Option(
        "--expect", "-e", metavar="LAYER=FILE[:LAYOUT]", help="What a layer's neurons sent; may be repeated.")] = None,
    timesteps: Annotated[int | None, typer.Option(
        min=1, metavar="N", help="Repeat inputs without timesteps so often.")] = None,
    skip: Annotated[int, typer.Option(min=0, metavar="N", help="Leave out so many timesteps of the inputs.")] = 0,
    engine: Annotated[str, typer.Option(help="fast, golden, rtl or replay, as of `synapress simulate`.")] = "golden",
    config: Annotated[str | None, typer.Option(
        "--config", "-c", metavar="PRESET|FILE", autocompletion=completion.presets,
        show_default="cores with these neurons")] = None,
    wide: Annotated[bool, typer.Option(
        "--wide", help="Potentials of 32 bits also where currents last, by a layer more (docs/models.md).")] = False,
    mesh: Annotated[str | None, typer.Option(metavar="COLUMNSxROWS", help="Default: the fewest cores.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run one of Lava's networks, and compare every spike of every layer with Lava's equations and with recordings.

    The status is 1 if anything differs. A recording may begin with silent timesteps, as Lava's layers are one apart.
    """
    from synapress.mapper.importers.lava import equations
    from synapress.mapper.importers.lava.layers import read_layers
    from synapress.mapper.importers.lava.reader import CORE, WIDE_CORE, network_of
    from synapress.model import compile, simulate

    with warnings_told(), steps() as progress:
        progress(f"reading {file}")
        given = read_layers(file)
        network, frames = network_of(given, wide=wide), maps(inputs, timesteps)
        if skip and skip >= frames.shape[1]:
            raise ConfigError(f"--skip {skip}: leaves none of the {frames.shape[1]} timesteps of the inputs")
        frames = frames[:, skip:]
        names = [layer.name for layer in given.layers]
        recordings = _recordings(expect or [], names, timesteps)
        for name in names[:-1]:
            network.output(name)
        core = (WIDE_CORE if wide else CORE) if config is None else CoreConfig.load(config)
        compiled = compile(network, config=core, mesh=mesh_size(mesh), progress=progress)
        progress(f"engine {engine}")
        result = simulate(compiled, frames, engine=engine, progress=progress)
        progress("Lava's equations")
        wanted = [equations.run(given, sequence) for sequence in frames]
    verdicts = []
    for name in names:
        found, runs = result.outputs[name], [run[name] for run in wanted]
        verdicts.append(Verdict(
            layer=name, kind=network.layer(name).kind, neurons=int(np.prod(found.shape[2:])),
            spikes=int(np.count_nonzero(found)),
            different=int((found != np.stack([run.spikes for run in runs])).sum()),
            currents=(min(run.currents[0] for run in runs), max(run.currents[1] for run in runs)),
            potentials=(min(run.potentials[0] for run in runs), max(run.potentials[1] for run in runs)),
            recorded=None if name not in recordings else against(found, recordings[name])))
    equal = all(verdict.equal for verdict in verdicts)
    if as_json:
        print_json({"network": given.title, "engine": engine, "cores": len(compiled.images), "equal": equal,
                    "timesteps": int(frames.shape[1]), "layers": [vars(verdict) for verdict in verdicts]})
    else:
        show([_sheet(given.title, engine, verdicts)])
        typer.echo("all spikes are the same" if equal else "spikes differ")
    if not equal:
        raise typer.Exit(1)


def _recordings(given: list[str], names: list[str], timesteps: int | None) -> dict[str, IntArray]:
    found = {}
    for text in given:
        name, equals, file = text.partition("=")
        if not equals or name not in names:
            raise ConfigError(f"--expect {text}: needs LAYER=FILE.npy, with one of the layers {', '.join(names)}")
        found[name] = maps(file, timesteps)
    return found


def _sheet(title: str, engine: str, verdicts: list[Verdict]) -> Sheet:
    half = 1 << CURRENT_BITS - 1
    sheet = Sheet(
        title=f"{title}, {engine}", headings=(
            "layer", "neurons", "of type", "spikes", "differ from Lava's equations", "currents", "potentials",
            "recorded spikes", "differ", "recorded later by"),
        caption=f"Currents and potentials are Lava's, in 1/64 of a weight. Neurons of type cuba hold {-half:,} to "
                f"{half - 1:,} of each.")
    for verdict in verdicts:
        seen = verdict.recorded
        sheet.add_row(
            verdict.layer, f"{verdict.neurons:,}", verdict.kind, f"{verdict.spikes:,}", f"{verdict.different:,}",
            *(f"{low:,} to {high:,}" for low, high in (verdict.currents, verdict.potentials)),
            *(("", "", "") if seen is None else (
                f"{seen['spikes']:,}", f"{seen['different']:,}", f"{seen['late']} of {seen['timesteps']}")))
    return sheet
