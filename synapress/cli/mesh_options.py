"""Options on what a mesh is made of."""

from typing import Annotated, Any

import typer

from golden.errors import ConfigError

MESHES = ("mesh", "mesh_axi")
"""The blocks that have these options."""
Columns = Annotated[int | None, typer.Option(
    "--columns", metavar="N", show_default="2", help="mesh: columns of nodes.")]
Rows = Annotated[int | None, typer.Option("--rows", metavar="N", show_default="2", help="mesh: rows of nodes.")]
Hosts = Annotated[list[str] | None, typer.Option(
    "--host", metavar="EDGE:N", show_default="north:0", help="mesh: a host beside the Nth node, from 0, of an edge: "
    "north, east, south or west. May be repeated.")]
OpenEdges = Annotated[list[str] | None, typer.Option(
    "--open", metavar="EDGE", help="mesh: an edge whose links lead to another mesh. May be repeated.")]
Depth = Annotated[int | None, typer.Option(
    "--depth", metavar="N", show_default="2", help="mesh: events in each queue of a router.")]


def mesh_options(blocks: list[str], *, columns: int | None, rows: int | None, hosts: list[str] | None,
                 open_edges: list[str] | None, depth: int | None) -> dict[str, Any]:
    """The options that were given, as arguments of the blocks of MESHES.

    Raises:
        ConfigError: some were given and no mesh is made, or a text is not EDGE:N.
    """
    given: dict[str, Any] = {"columns": columns, "rows": rows, "hosts": hosts and [_host(text) for text in hosts],
                             "open_edges": open_edges, "depth": depth}
    found = {name: value for name, value in given.items() if value not in (None, [])}
    if found and not any(block in MESHES for block in blocks):
        names = {"hosts": "host", "open_edges": "open"}
        raise ConfigError(f"--{', --'.join(names.get(name, name) for name in found)}: only the blocks "
                          f"{' and '.join(MESHES)} have these; name one of them, or leave them out")
    return found


def _host(text: str) -> tuple[str, int]:
    edge, _, number = text.partition(":")
    if not number.isdigit():
        raise ConfigError(f"--host {text}: needs an edge and the number of a node there, such as north:0")
    return edge, int(number)
