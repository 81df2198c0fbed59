"""What a mesh counted in all its runs: a core's counters, the events over each link, the errors of nodes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from golden.noc.mesh import Link
from golden.noc.router import STEPS
from golden.types import Place
from synapress.engines.mesh.run import MeshRun


@dataclass(frozen=True, kw_only=True)
class MeshTotals:
    """Sums over the runs of a mesh.

    `counters`: by core. `links`: events over each that had any, by node and side. `errors`: by node, pulses of its
    `error`. `sent`: events of the host, and its credits. `cycles`: from the first event into the mesh to the last END
    out of it, without loading and reading back. `host`: its place.
    """

    host: Place
    counters: dict[Place, dict[str, int]]
    links: dict[Link, int]
    errors: dict[Place, int]
    sent: int
    cycles: int

    @classmethod
    def of(cls, runs: Sequence[MeshRun], host: Place) -> "MeshTotals":
        """All runs are of one mesh."""
        links: Counter[Link] = Counter()
        errors: Counter[Place] = Counter()
        for run in runs:
            links.update(run.links)
            errors.update(run.errors)
        return cls(
            host=host, links=dict(links), errors=dict(errors), sent=sum(run.sent for run in runs),
            counters={place: {name: sum(run.counters[place][name] for run in runs) for name in counts}
                      for place, counts in runs[0].counters.items()},
            cycles=sum(int(run.finished[-1] - run.started[0]) for run in runs))

    def to_json(self) -> dict[str, Any]:
        """Everything; links with the most events first, the host's own into the mesh with `to` null."""
        links: list[dict[str, Any]] = [
            {"from": list(place), "to": [place[0] + STEPS[side][0], place[1] + STEPS[side][1]], "events": events}
            for (place, side), events in self.links.items()]
        links.append({"from": list(self.host), "to": None, "events": self.sent})
        return {
            "host": list(self.host), "cycles": self.cycles,
            "cores": [{"core": list(place), "counters": counts} for place, counts in self.counters.items()],
            "links": sorted(links, key=lambda link: -int(link["events"])),
            "errors": [{"node": list(place), "pulses": pulses} for place, pulses in self.errors.items()],
        }
