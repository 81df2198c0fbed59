"""Energy of a transition, and what it refuses."""

import pytest

from golden.errors import ConfigError
from synapress.energy.controller import PARAMETERS, Logic, logic


def test_half_of_c_v_squared() -> None:
    assert Logic(2.0, 3.0, "").energy(5000) == pytest.approx(0.5 * 2 * 9 * 5)  # fJ, thousands of them: pJ
    assert logic(65, 0.5).energy(1000) == pytest.approx(0.5 * 0.5 * 1.2 ** 2)
    # 65 nm by hand: 0.195 µm and 2.23 times that, on average 0.3149 µm, of 0.614 · 1.2 + 3 · 0.08 = 0.9768 fF/µm.
    assert logic(65).capacitance == pytest.approx(0.3149 * 0.9768, rel=1e-3)
    costs = [logic(technology).energy(1) for technology in sorted(PARAMETERS)]
    assert costs == sorted(costs) and costs[-1] > 5 * costs[0]


def test_what_is_refused() -> None:
    with pytest.raises(ConfigError, match="22, 32, 45, 65 nm; asked for: 28"):
        logic(28)
    with pytest.raises(ConfigError, match="positive"):
        logic(22, 0.0)
