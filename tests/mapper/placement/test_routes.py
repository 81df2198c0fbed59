"""XY routes: their length is the distance, they stay in the mesh, and loads are what the traffic sums to."""

from hypothesis import given
from hypothesis import strategies as st

from synapress.mapper.placement.routes import link_loads, route

SIZE = (5, 4)
cores = st.tuples(st.integers(0, SIZE[0] - 1), st.integers(0, SIZE[1] - 1))


@given(cores, cores)
def test_a_route_goes_along_x_then_along_y(source, destination):
    links = list(route(source, destination, SIZE))
    assert len(links) == abs(source[0] - destination[0]) + abs(source[1] - destination[1])
    at = source
    turned = False
    for start, end in links:
        assert start == at
        dx, dy = end[0] - start[0], end[1] - start[1]
        assert abs(dx) + abs(dy) == 1
        assert not (turned and dx), "no turn from y back to x"
        turned |= bool(dy)
        at = end
    assert at == destination


@given(cores, st.integers(0, SIZE[0] - 1))
def test_a_host_beside_the_mesh_enters_and_leaves_by_its_own_port(core, column):
    host = (column, -1)
    inward, outward = list(route(host, core, SIZE)), list(route(core, host, SIZE))
    assert inward[0] == (host, (column, 0))
    assert outward[-1] == ((column, 0), host)
    for start, end in (*inward[1:], *outward[:-1]):
        assert start[1] >= 0 and end[1] >= 0


def test_loads_add_up():
    traffic = {((0, 0), (2, 1)): 10, ((0, 0), (1, 0)): 5, ((1, 1), (0, 0)): 1}
    assert link_loads(traffic, SIZE) == {
        ((0, 0), (1, 0)): 15, ((1, 0), (2, 0)): 10, ((2, 0), (2, 1)): 10, ((0, 1), (0, 0)): 1, ((1, 1), (0, 1)): 1}
