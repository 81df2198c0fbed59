"""Cores → locations, so that traffic × distance is small: the quadratic assignment problem.

scipy's heuristic and two orders give starts, which pairwise exchanges improve. Exchanges are exact, in integers,
where 64 bits hold the sums: no order of summation breaks a tie.
"""

import importlib
from collections.abc import Mapping

import numpy as np

from golden.errors import ToolError
from golden.types import Array
from synapress.install import install_hint

MAX_SWEEPS = 60
"""Most sweeps of pairwise exchanges. Every exchange lowers the cost, so sweeps also end without this limit; it bounds
the time of the last small gains."""
MAX_BLOCK = 64
"""Most cores whose partners are looked for at once, up to the first exchange: it bounds what is computed in vain."""
MAX_RESTARTS = 10
"""Most new attempts, each from the best so far with some cores shuffled, while something is out of reach; with more
than `FAQ_PLACES` places none: there they lose more than they find."""
MAX_REPAIRS = 200
"""Most attempts after these, while something is still out of reach, each with few cores shuffled: those at the ends of
links out of reach, and `COMPANIONS`. Of 600 cores with 4,300 links, 13 bring the last hundred into reach."""
MAX_IDLE_REPAIRS = 50
"""Most such attempts in a row that find nothing better."""
COMPANIONS = 8
"""Random cores that are shuffled with those out of reach."""
SHUFFLED_SHARE = 8
"""A new attempt shuffles two cores and one in so many: enough to leave a local optimum; most of the placement
stays."""
OUT_OF_REACH = 100_000
"""What a column or row beyond the reach of relative addresses counts, in hops. For the least traffic that
counts (`TRAFFIC_SPAN`) that is as much as 100 hops of the largest."""
TRAFFIC_SPAN = 1000
"""Ratio of the largest traffic between two cores to the least that counts for any two that send each other events.
Links are heavy-tailed: without this the few with no events but ends would be left out of reach."""
FAQ_TOLERANCE = 1e-3
"""Change at which scipy's heuristic stops. It gives a start only, which exchanges improve."""
FAQ_STEPS = 30
"""Most steps of it, with up to `FAQ_PLACES`."""
FAQ_PLACES = 400
"""With more places it takes fewer steps, each of which takes a time that grows with the cube of the places."""
MIN_SAVING = 1e-6
"""Least saving of an exchange, so that the rounding of float64 is not taken for one where integers do not suffice."""


def optimize(traffic: Array, distance: Array, fixed: Mapping[int, int], snake: Array) -> Array:
    """The best of several starts, each improved by pairwise exchanges."""
    try:
        quadratic_assignment = importlib.import_module("scipy.optimize").quadratic_assignment
    except ImportError as error:
        raise ToolError(f"placement needs scipy: {install_hint('map')}; or use method='row-major'") from error
    count = len(snake)
    naive = _fill(np.arange(count), fixed)
    both = traffic + traffic.T
    worth = np.where(both > 0, np.maximum(both * TRAFFIC_SPAN, both.max()), 0)
    if int(worth.sum()) * int(distance.max()) > np.iinfo(worth.dtype).max:
        worth = worth.astype(float)
    starts = [naive, _fill(snake, fixed)]
    pinned = np.array([*fixed.items(), (count, count)])
    guess = quadratic_assignment(worth / TRAFFIC_SPAN, distance.astype(float), method="faq", options={
        "partial_match": pinned, "tol": FAQ_TOLERANCE, "rng": np.random.default_rng(0),
        "maxiter": max(1, FAQ_STEPS * FAQ_PLACES**3 // max(count, FAQ_PLACES)**3)})
    starts.append(np.asarray(guess.col_ind[:count]))
    movable = np.array([number for number in range(count) if number not in fixed], np.int64)
    if not len(movable):
        return naive
    results = [exchange(worth, distance, start, movable) for start in starts]
    best = min(results, key=lambda chosen: _cost(worth, distance, chosen))
    return _in_reach(worth, distance, best, movable)


def _in_reach(worth: Array, distance: Array, best: Array, movable: Array) -> Array:
    """The best of new attempts while something is out of reach: first anywhere, then where that is."""
    random, idle = np.random.default_rng(0), 0
    least = _cost(worth, distance, best)
    restarts = MAX_RESTARTS if len(best) <= FAQ_PLACES else 0
    for attempt in range(restarts + MAX_REPAIRS):
        at = np.append(best, len(best))
        apart = distance[np.ix_(at, at)]
        far = np.flatnonzero(((worth > 0) & (apart >= OUT_OF_REACH)).any(axis=1))
        if not len(far) or idle > MAX_IDLE_REPAIRS:
            break
        if attempt < restarts:
            moved = random.choice(movable, min(len(movable), 2 + len(movable) // SHUFFLED_SHARE), replace=False)
        else:
            others = random.choice(movable, min(len(movable), COMPANIONS), replace=False)
            moved = np.union1d(np.intersect1d(far, movable), others)
        shuffled = best.copy()
        shuffled[moved] = best[random.permutation(moved)]
        improved = exchange(worth, distance, shuffled, movable)
        cost = _cost(worth, distance, improved)
        idle = 0 if cost < least or attempt < restarts else idle + 1
        if cost < least or (cost == least and attempt >= restarts):
            best, least = improved, cost
    return best


def exchange(both: Array, distance: Array, start: Array, movable: Array) -> Array:
    """Exchange pairs of cores, each time the best partner of one, until none helps.

    What every core would cost at the place of every other is kept, so that the best partner takes a look at as many
    numbers as there are cores, and an exchange changes only the rows of the cores that send to the two or hear of them.
    Where exchanges are rare, many cores are looked at in one go; the exchanges are the same.

    Args:
        both: traffic between two cores, forth and back: symmetric. With integers no rounding breaks a tie.
        distance: between any two locations, symmetric.
        start: location by core; the last location is the host's, which comes last.
        movable: cores that may be exchanged.
    """
    at = np.append(start, len(distance) - 1)
    apart = distance[np.ix_(at, at)].astype(both.dtype)
    # Of one core (row) at the place of another (column), all others where they are:
    costs = np.array([row[near] @ apart[near] for row, near in ((row, np.flatnonzero(row)) for row in both)])
    own = costs.diagonal().copy()
    size = 1
    for _ in range(MAX_SWEEPS):
        improved, position = False, 0
        while position < len(movable):
            block = movable[position:position + size]
            change = costs[block] + costs[:, block].T - own[block, None] - own + 2 * both[block] * apart[block]
            change = change[:, movable]
            partners = change.argmin(axis=1)
            found = np.flatnonzero(change[np.arange(len(block)), partners] < -MIN_SAVING)
            if not len(found):
                position, size = position + len(block), min(2 * size, MAX_BLOCK)
                continue
            first = int(found[0])
            position, size = position + first + 1, max(1, size // 2)
            pair = [int(block[first]), int(movable[partners[first]])]
            exchanged = pair[::-1]
            at[pair] = at[exchanged]
            apart[:, pair] = apart[:, exchanged]
            costs[:, pair] = costs[:, exchanged]
            more = both[pair[0]] - both[pair[1]]
            changed = np.flatnonzero(more)
            costs[changed] += more[changed, None] * (apart[pair[1]] - apart[pair[0]])
            apart[pair] = apart[exchanged]
            own = costs.diagonal().copy()
            improved = True
        if not improved:
            break
    return at[:-1]


def _cost(traffic: Array, distance: Array, chosen: Array) -> int:
    """Traffic × distance of cores at the chosen locations; the host is the last of both."""
    at = np.append(chosen, len(distance) - 1)
    return round(float((traffic * distance[np.ix_(at, at)]).sum()))


def _fill(order: Array, fixed: Mapping[int, int]) -> Array:
    """Locations by core: the fixed ones where they must be, the others in the given order of locations."""
    free = iter(location for location in order.tolist() if location not in set(fixed.values()))
    return np.array([fixed[number] if number in fixed else next(free) for number in range(len(order))])
