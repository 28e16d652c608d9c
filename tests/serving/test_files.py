"""Images and recordings as bodies: predicted as from their files, refused where they cannot be read."""

import warnings

import numpy as np
import pytest
import soundfile
from PIL import Image
from starlette.testclient import TestClient

import pellucid as pel
from pellucid.serving import application, files

RNG = np.random.default_rng(0)


def write_image(path, light):
    Image.fromarray(RNG.integers(0, 100, (6, 8, 3), dtype=np.uint8) + 120 * light).save(path)


def write_sound(path, high):
    soundfile.write(path, np.sin(np.arange(400) * (0.5 if high else 0.1)) + 0.1 * RNG.normal(size=400), 4000)


KINDS = {"png": (write_image, pel.data.load_images, "image/"), "wav": (write_sound, pel.data.load_audio, "audio/")}


@pytest.fixture(scope="module", params=KINDS)
def served(request, tmp_path_factory):
    """A client, the run that is served, a file, and its media type."""
    write, load, media = KINDS[request.param]
    folder = tmp_path_factory.mktemp("files")
    for label in (0, 1):
        (folder / f"class {label}").mkdir()
        for i in range(8):
            write(folder / f"class {label}" / f"{i}.{request.param}", label)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = pel.train(pel.Network(pel.Flatten(), pel.Dense(1, "sigmoid")), load(folder), epochs=2, progress=False)
    with TestClient(application(run), raise_server_exceptions=False) as client:
        yield client, run, folder / "class 1" / f"3.{request.param}", f"{media}{request.param}"


def post(client, body, media):
    return client.post("/predict", content=body, headers={"content-type": media})


def test_a_file_is_predicted_as_from_its_folder(served):
    client, run, file, media = served
    assert post(client, file.read_bytes(), media).json()["predictions"] == run.predict(file).tolist()
    assert client.get("/schema").json()["takes"]["media"] == media[:6]
    assert f"'Content-Type: {media}'" in client.get("/").text.replace("&#x27;", "'")


def test_what_is_no_such_file_is_refused(served):
    client, _, file, media = served
    whole = file.read_bytes()
    for number in range(40):
        damaged = bytearray(whole[: RNG.integers(1, len(whole))] if number % 2 else whole)
        for place in RNG.integers(0, len(damaged), 3):
            damaged[place] ^= 255
        assert post(client, bytes(damaged), media).status_code < 500
    for body in (b"", b"/etc/passwd", RNG.bytes(100)):
        answer = post(client, body, media)
        assert answer.status_code == 422
        assert "body" in answer.json()["error"]
    for other in ("video/mp4", "image/png" if media.startswith("audio") else "audio/wav"):
        assert f"or {media[:6]}…. Received: {other}." in post(client, whole, other).json()["error"]


def test_a_file_that_would_be_large_is_refused_before_it_is_read(served, monkeypatch):
    client, run, file, media = served
    monkeypatch.setattr(files, "MOST_NUMBERS", 47)
    monkeypatch.setattr(type(run.facts.encoder), "read_one", lambda *_: pytest.fail("it was read"))
    answer = post(client, file.read_bytes(), media)
    assert (answer.status_code, "at most 47 pixels or samples" in answer.json()["error"]) == (413, True)
