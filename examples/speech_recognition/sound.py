"""Recordings of spoken digits: their spectrograms, and strings of them."""

import numpy as np

import pellucid as pel
from examples import harness

ORIGIN = "https://github.com/Jakobovski/free-spoken-digit-dataset, its folder `recordings` as a zip file"
RATE, STEPS, BANDS = 8000, 24, 24


def recordings(held_out: str | None = None) -> pel.Dataset:
    """The first second of each recording, the speakers as groups; held out are files whose names match a pattern."""
    file = harness.find("spoken-digits/recordings.zip", ORIGIN)
    return pel.data.load_audio(file, file_names="{label}_{group}_*", held_out=held_out, seconds=1)


def spectrograms(sounds: np.ndarray) -> np.ndarray:
    """Log-mel spectrograms of (recordings, samples, 1), all of one loudness and stretched to one length."""
    mel, hop = pel.layers.LogMel(RATE, bands=BANDS, window=0.032, hop=0.016), round(0.016 * RATE)
    ends = [np.flatnonzero(sound)[-1] + 1 for sound in sounds]
    loudness = np.array([np.sqrt(np.square(sound[:end]).mean()) for sound, end in zip(sounds, ends, strict=True)])
    even = np.float32(0.1) * sounds / loudness.reshape(-1, 1, 1)
    frames = np.asarray(mel.forward({}, {}, even, key=None, training=False)[0])
    pictures = []
    for picture, end in zip(frames, ends, strict=True):
        real = picture[: (end - 1) // hop + 1]
        at, places = np.linspace(0, len(real) - 1, STEPS), np.arange(len(real))
        pictures.append(np.stack([np.interp(at, places, band) for band in real.T], axis=1))
    return np.stack(pictures).astype(np.float32)


def strings(part: pel.data.Part, count: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Strings of three to five digits, joined from recordings of any speakers: sounds and digits."""
    rng = np.random.default_rng(seed)
    clips = [0.1 * clip / np.sqrt(np.square(clip).mean()) for clip in (x[: np.flatnonzero(x)[-1] + 1] for x in part.x)]
    sounds, texts = np.zeros((count, 28000, 1), np.float32), []
    while len(texts) < count:
        chosen = rng.integers(0, len(clips), rng.integers(3, 6))
        sound = np.concatenate([clips[i] for i in chosen])
        if len(sound) <= sounds.shape[1]:  # 3.5 s, which nearly all are shorter than
            sounds[len(texts), : len(sound)] = sound
            texts.append("".join(str(part.y[i]) for i in chosen))
    return sounds, texts
