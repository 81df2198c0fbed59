"""`benchmarks.lava_sigma_delta` on a folder of the same form, made by Lava's equations for sigma-delta neurons."""

from pathlib import Path

import numpy as np

from benchmarks.lava_sigma_delta import differences


def recorded(folder: Path, rng: np.random.Generator) -> None:
    """Three layers in Lava's layouts: (columns, rows, channels, timesteps), kernels (output, columns, rows, input)."""
    timesteps = 12
    bias, kernel = rng.integers(2, 60, (9, 7, 2)), rng.integers(-10, 11, (3, 3, 3, 2))
    values = (bias[..., None] * np.sin(2 * np.pi * np.arange(timesteps) / timesteps)).astype(int)
    last, given = np.zeros_like(bias), np.zeros_like(values)
    for t in range(timesteps):
        given[..., t] = np.where(np.abs(values[..., t] - last) >= 20, values[..., t] - last, 0)
        last += given[..., t]
    layer_bias = np.array([-42, 62, 25])
    sigma, act = np.zeros((4, 3, 3), int), np.zeros((4, 3, 3), int)
    sent = np.zeros((4, 3, 3, timesteps + 1), int)
    for t in range(timesteps + 1):
        if t:
            for x, y, c in np.ndindex(sigma.shape):
                window = given[2 * x:2 * x + 3, 2 * y:2 * y + 3, :, t - 1] != 0
                sigma[x, y, c] += (window * kernel[c]).sum()
        delta = np.maximum(sigma + (layer_bias << 12), 0) - act
        delta = np.where(np.abs(delta) >= 20 << 12, delta, 0)
        act += delta
        sent[..., t] = delta >> 6
    weights = rng.integers(-50, 50, (5, 36))
    sums = np.cumsum(weights @ (sent.reshape(36, -1) != 0), axis=1)
    arrays = {"input_bias": bias, "input": given * 64, "layer1_kernel": kernel, "layer1_bias": layer_bias,
              "layer1": sent, "layer2_weight": weights,
              "layer2": np.concatenate([np.zeros((5, 1), int), sums[:, :-1]], axis=1)}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


def test_every_recorded_number(tmp_path: Path, seed: int) -> None:
    recorded(tmp_path, np.random.default_rng([seed, 5]))
    found = differences(tmp_path, "golden")
    assert list(found) == ["input", "layer1", "layer2"]
    assert all(numbers > 20 and not different for numbers, different in found.values()), found
    array = np.load(tmp_path / "layer1.npy")
    array[0, 0, 1, 0] += 64
    np.save(tmp_path / "layer1.npy", array)
    assert differences(tmp_path, "fast")["layer1"][1] == 1
