"""The log-mel spectrogram against its definition, PyTorch's Fourier transform and torchaudio's bank of triangles."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import pellucid as pel
from pellucid.core.errors import InvalidValue, ShapeError
from pellucid.layers.spectrogram import LogMel, mel_bank

CASES = [LogMel(8000), LogMel(16000, bands=64), LogMel(16000, window=0.032, hop=0.016), LogMel(22050, bands=20)]


def spectrogram(layer, x):
    return np.asarray(layer.forward({}, {}, jnp.asarray(x), key=None, training=False)[0])


def by_torch(layer, x):
    """What torchaudio's MelSpectrogram(center=False, mel_scale="htk", norm=None) computes, and its logarithm."""
    width, hop = layer.samples
    frames = x.unfold(-1, width, hop) * torch.hann_window(width, dtype=x.dtype)
    power = torch.fft.rfft(frames, layer.length).abs() ** 2
    frequencies = torch.linspace(0, layer.rate / 2, layer.length // 2 + 1, dtype=x.dtype)
    highest = 2595.0 * np.log10(1.0 + layer.rate / 2 / 700.0)
    mels = torch.linspace(0, highest, layer.bands + 2, dtype=x.dtype)
    points = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    slopes = points[None] - frequencies[:, None]
    gaps = points[1:] - points[:-1]
    bank = torch.minimum(-slopes[:, :-2] / gaps[:-1], slopes[:, 2:] / gaps[1:]).clamp(min=0)
    return torch.log(power @ bank + 1e-6)


@pytest.mark.parametrize("layer", CASES, ids=str)
def test_it_is_what_torchaudio_defines(layer, rng):
    x = 0.3 * rng.normal(size=(2, layer.rate // 4))
    theirs = by_torch(layer, torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(spectrogram(layer, x.astype(np.float32)[..., None]), theirs, rtol=1e-5, atol=1e-4)
    assert theirs.shape[1:] == layer.init(None, x.shape[1:])[2]


def test_frames_and_windows_are_those_of_torch_where_the_window_fills_the_transform(rng):
    layer, x = LogMel(8000, window=0.032, bands=10), rng.normal(size=2000)
    width, hop = layer.samples
    assert width == layer.length
    window = torch.hann_window(width, dtype=torch.float64)
    theirs = torch.stft(torch.from_numpy(x), width, hop, window=window, center=False, return_complex=True)
    expected = np.log(np.square(np.abs(theirs.numpy())).T @ layer.bank + 1e-6)
    np.testing.assert_allclose(spectrogram(layer, x[None].astype(np.float32))[0], expected, rtol=1e-5, atol=1e-4)


def test_each_frequency_lies_in_two_triangles_that_add_up_to_one():
    bank = mel_bank(16000, 512, 40)
    inside = slice(bank[:, 0].argmax() + 1, bank[:, -1].argmax())
    np.testing.assert_allclose(bank[inside].sum(axis=1), 1)
    assert bank.max() <= 1
    np.testing.assert_allclose(bank[[0, -1]], 0, atol=1e-12)


def test_a_tone_is_loudest_in_the_band_around_it():
    layer = LogMel(8000, bands=20)
    for hertz in (300, 1000, 3000):
        x = np.sin(2 * np.pi * hertz * np.arange(4000) / 8000)[None].astype(np.float32)
        loudest = spectrogram(layer, x).mean(axis=(0, 1)).argmax()
        nearest = np.abs(np.arange(len(layer.bank)) * 8000 / layer.length - hertz).argmin()
        assert layer.bank[nearest].argmax() == loudest


def test_zeros_at_the_end_are_padding_and_silence_inside_is_not(rng):
    layer = LogMel(8000, mask_zero=True)
    x = rng.normal(size=(2, 4000, 1)).astype(np.float32)
    x[0, 1000:2000] = 0
    x[1, 2000:] = 0
    mask = np.asarray(layer.output_mask(jnp.asarray(x), None))
    assert mask[0].all()
    assert mask[1].tolist() == (np.arange(mask.shape[1]) * layer.samples[1] < 2000).tolist()


def test_padding_behind_a_recording_does_not_change_what_a_network_says(rng):
    network = pel.Network(LogMel(8000, mask_zero=True), pel.LSTM(4), pel.Dense(2, "softmax"))
    params, state, _ = network.init(jax.random.key(0), (2400, 1))
    x = rng.normal(size=(3, 2000, 1)).astype(np.float32)
    outputs = [
        network.forward(params, state, jnp.pad(x, ((0, 0), (0, zeros), (0, 0))), key=None, training=False)[0][-1]
        for zeros in (400, 2000)
    ]
    np.testing.assert_allclose(*outputs, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: LogMel(8000, bands=120), InvalidValue, r"leave band 1 without a frequency, .* 31.2 Hz apart.*longer"),
        (lambda: LogMel(8000).init(None, (100, 1)), ShapeError, "100 samples are shorter than a frame .* 200 samples"),
        (lambda: LogMel(8000).init(None, (4000, 2)), ShapeError, r"of one channel.*Received: \(4000, 2\)"),
    ],
)
def test_what_it_cannot_read_is_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()
