"""Recordings: classes by subfolder or name, one rate and length, what was chosen reported, the rest refused."""

import zipfile

import numpy as np
import pytest
import soundfile

import pellucid as pel
from pellucid.core.errors import DataError, InvalidValue
from pellucid.data.files import open_file

RATE = 8000


def tone(hertz, seconds=0.1, rate=RATE):
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write(path, sound, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, rate, subtype="PCM_16")


@pytest.fixture
def flat(tmp_path):
    """Recordings of two tones by three speakers, in one folder."""
    for label, hertz in (("low", 300), ("high", 900)):
        for speaker in ("ann", "bob", "eve"):
            for i in range(4):
                write(tmp_path / "flat" / f"{label}_{speaker}_{i}.wav", tone(hertz + 50 * i, 0.1 + 0.05 * (i == 3)))
    return tmp_path / "flat"


def test_subfolders_are_the_classes_and_every_sample_is_kept(tmp_path):
    for label, hertz in (("high", 900), ("low", 300)):
        for i in range(3):
            write(tmp_path / label / f"{i}.{'flac' if i else 'wav'}", tone(hertz + i))
    data = pel.data.load_audio(tmp_path, held_out=None)
    assert (data.task, data.classes, data.train.x.shape) == ("binary", ("high", "low"), (6, 800, 1))
    np.testing.assert_allclose(data.train.x[0, :, 0], tone(900), atol=1 / 32768)
    np.testing.assert_array_equal(data.encoder.encode(tmp_path), data.train.x)
    assert data.preprocessing.is_identity


def test_names_of_files_tell_classes_and_groups(flat):
    data = pel.data.load_audio(flat, file_names="{label}_{group}_*", seconds=0.1)
    assert data.classes == ("high", "low")
    assert data.held_out is not None
    assert set(data.train.groups).isdisjoint(data.held_out.groups)
    assert any("6 of 24 recordings are longer than 0.1 s and cut off" in note for note in data.notes)


def test_a_pattern_names_the_recordings_that_are_held_out(flat):
    data = pel.data.load_audio(flat, file_names="{label}_*", held_out="*_[01].wav")
    assert (len(data.train), len(data.held_out)) == (12, 12)
    assert any("0.10 to 0.15 s filled up with zeros to 0.15 s" in note and "seconds=1" in note for note in data.notes)
    with pytest.raises(DataError, match=r"pattern '\*\.mp3' names none of 24 recordings, such as 'high_ann_0.wav'"):
        pel.data.load_audio(flat, file_names="{label}_*", held_out="*.mp3")


def test_a_zip_file_is_its_folder(flat, tmp_path, monkeypatch):
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "cache"))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
        for file in flat.iterdir():
            packed.write(file, file.name)
    options = {"file_names": "{label}_*", "held_out": "*_0.wav"}
    assert open_file(str(tmp_path / "all.zip"), **options).fingerprint == open_file(str(flat), **options).fingerprint


def test_several_rates_and_channels_are_brought_to_one_and_reported(tmp_path):
    for label, hertz in (("high", 900), ("low", 300)):
        for i in range(3):
            write(tmp_path / label / f"{i}.wav", tone(hertz))
    fast = tone(900, rate=2 * RATE)
    write(tmp_path / "high" / "fast.wav", np.stack([fast, fast], axis=1), 2 * RATE)
    data = pel.data.load_audio(tmp_path, held_out=None)
    row = data.encoder.encode(tmp_path / "high" / "fast.wav")[0, :, 0]
    np.testing.assert_allclose(row[50:-50], tone(900)[50:-50], atol=2e-3)
    assert {note.partition(" ")[0] for note in data.notes} >= {"recordings", "the"}
    assert any("of 2 rates brought to 8000 samples a second" in note and "rate=16000" in note for note in data.notes)


def test_what_is_no_folder_of_recordings_is_refused(flat, tmp_path):
    for options, text in (
        ({}, r"has 0 subfolders of recordings.*file_names='\{label\}_\*'"),
        ({"file_names": "*_x"}, "pattern with one {label}"),
        ({"file_names": "{label}-*"}, r"high_ann_0.wav' is not of the form '\{label\}-\*'"),
        ({"file_names": "{label}_*", "image_size": 8}, "takes no --image-size. It takes --held-out, .*--seconds"),
    ):
        with pytest.raises(DataError, match=text):
            open_file(str(flat), **options)
    (flat / "low_bob_9.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"low_bob_9.wav' is not a recording that can be read"):
        pel.data.load_audio(flat, file_names="{label}_*")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="a folder without images, recordings or tables"):
        open_file(str(tmp_path / "empty"))


@pytest.mark.parametrize("network", [{"name": "gru", "units": [4]}, {"name": "cnn", "filters": [2], "hidden": []}])
def test_a_network_by_name_begins_with_a_spectrogram_and_the_run_takes_files(flat, tmp_path, network):
    data = pel.data.load_audio(flat, file_names="{label}_*", held_out="*_0.wav")
    run = pel.train(network, data, epochs=30, learning_rate=0.02, progress=False, folder=tmp_path / "run")
    assert run.network.names[:2] == ("log_mel_1", "batch_norm_1")
    assert run.result["binary_accuracy"] > 0.9
    loaded = pel.load(tmp_path / "run")
    held_out = sorted(flat.glob("*_0.wav"))
    assert loaded.predict(held_out).tolist() == run.predict(data.held_out.x).tolist()
    assert loaded.evaluate(flat)["binary_accuracy"] > 0.9


def test_a_spectrogram_of_another_rate_is_refused(flat):
    data = pel.data.load_audio(flat, file_names="{label}_*")
    network = pel.Network(pel.layers.LogMel(16000), pel.Flatten(), pel.Dense(1, "sigmoid"))
    with pytest.raises(InvalidValue, match=r"'log_mel_1' reads recordings of 16000 .* 'flat' have 8000"):
        pel.train(network, data, epochs=1, progress=False)


def test_streamed_recordings_are_those_in_memory_in_another_order(flat):
    options = {"file_names": "{label}_*", "held_out": "*_0.wav"}
    whole, streamed = pel.data.load_audio(flat, **options), pel.data.load_audio(flat, **options, stream=True)
    stream = streamed.stream
    assert (streamed.classes, streamed.input_shape) == (whole.classes, whole.input_shape)
    assert (streamed.rows, streamed.held_out_rows) == (18, 6)
    for span, part in ((stream.training, whole.train), (None, whole.held_out)):
        parts = list(stream.read_held_out() if span is None else stream.read(span))
        rows = {(x.tobytes(), float(y)) for one in parts for x, y in zip(one.x, one.y.ravel(), strict=True)}
        assert rows == {(x.tobytes(), float(y)) for x, y in zip(part.x, part.y.ravel(), strict=True)}
    assert stream.totals.rows.tolist() == [9, 9]
    again = pel.data.load_audio(flat, **options, stream=True)
    assert again.fingerprint == streamed.fingerprint
    write(flat / "low_ann_9.wav", tone(300))
    assert pel.data.load_audio(flat, **options, stream=True).fingerprint != streamed.fingerprint


def test_a_training_on_streamed_recordings_learns_and_is_resumed_to_the_bit(flat, tmp_path):
    data = open_file(str(flat), file_names="{label}_*", held_out="*_0.wav", stream=True)
    settings = {"batch_size": 6, "learning_rate": 0.02, "progress": False}
    whole = pel.train({"name": "gru", "units": [4]}, data, epochs=30, folder=tmp_path / "whole", **settings)
    assert whole.result["binary_accuracy"] > 0.9
    pel.train({"name": "gru", "units": [4]}, data, epochs=7, folder=tmp_path / "parts", **settings)
    resumed = pel.resume(tmp_path / "parts", epochs=30, progress=False)  # finds the files by the settings
    np.testing.assert_array_equal(resumed.params[2]["weights"], whole.params[2]["weights"])
    assert pel.load(tmp_path / "whole").evaluate(flat)["binary_accuracy"] > 0.9


def test_what_needs_all_recordings_at_once_is_refused_for_a_stream(flat):
    for options, text in (
        ({"file_names": "{label}_{group}_*"}, "{group}: files that are read while they are trained on"),
        ({"file_names": "{label}_*", "held_out": 3}, "held out by chance"),
    ):
        with pytest.raises((DataError, InvalidValue), match=text):
            pel.data.load_audio(flat, **options, stream=True)
