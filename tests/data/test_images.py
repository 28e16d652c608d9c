"""Folders of images: classes by subfolder, one size, one range of pixels, and files that are none refused."""

import numpy as np
import pytest
from PIL import Image

import pellucid as pel
from pellucid.core.errors import DataError
from pellucid.data.files import open_file


def folder_of(tmp_path, kinds=("cat", "dog"), count=4, size=(6, 5), mode="L"):
    for number, kind in enumerate(kinds):
        (tmp_path / kind).mkdir(parents=True)
        for i in range(count):
            Image.new(mode, size, 10 * number + i if mode == "L" else (number, i, 9)).save(tmp_path / kind / f"{i}.png")
    return tmp_path


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3)])
def test_the_subfolders_are_the_classes_and_every_pixel_is_kept(tmp_path, mode, channels):
    data = pel.data.load_images(folder_of(tmp_path, mode=mode), held_out=None)
    assert (data.task, data.classes, data.train.x.shape) == ("binary", ("cat", "dog"), (8, 5, 6, channels))
    assert data.train.x.dtype == np.uint8
    assert sorted(data.train.x[:, 0, 0, 0].tolist()) == (
        [0, 1, 2, 3, 10, 11, 12, 13] if mode == "L" else [0] * 4 + [1] * 4
    )
    np.testing.assert_array_equal(data.encoder.encode(tmp_path), data.train.x)


def test_a_division_into_train_and_test_is_kept(tmp_path):
    folder_of(tmp_path / "train")
    folder_of(tmp_path / "test", count=2)
    data = pel.data.load_images(tmp_path)
    assert (len(data.train), len(data.held_out)) == (8, 4)
    folder_of(tmp_path / "test" / "new", ("a",))
    (tmp_path / "test" / "new").rename(tmp_path / "test" / "bird")
    with pytest.raises(DataError, match="classes that those to learn from lack: bird"):
        pel.data.load_images(tmp_path)


def test_several_sizes_are_brought_to_one_and_reported(tmp_path):
    folder_of(tmp_path)
    Image.new("L", (9, 9), 3).save(tmp_path / "cat" / "large.png")
    data = pel.data.load_images(tmp_path, held_out=None)
    assert data.train.x.shape == (9, 64, 64, 1)
    assert any("2 sizes brought to 64×64" in note and "image_size=128" in note for note in data.notes)
    assert pel.data.load_images(tmp_path, size=8, held_out=None).train.x.shape == (9, 8, 8, 1)


def test_sixteen_bits_are_scaled_and_not_cut_off(tmp_path):
    folder_of(tmp_path)
    deep = np.full((5, 6), 40_000, np.uint16)
    Image.fromarray(deep).save(tmp_path / "cat" / "deep.png")
    data = pel.data.load_images(tmp_path, held_out=None)
    assert data.train.x.shape[-1] == 1
    assert data.train.x.max() == 40_000 // 256


def test_a_photo_is_turned_the_right_way_up(tmp_path):
    folder_of(tmp_path)
    pixels = np.zeros((6, 5), np.uint8)
    pixels[0] = 200
    turned = Image.fromarray(pixels)
    exif = turned.getexif()
    exif[0x0112] = 6  # turn by a quarter to the right
    turned.save(tmp_path / "cat" / "turned.png", exif=exif)
    x = pel.data.load_images(tmp_path, held_out=None).encoder.encode(tmp_path / "cat" / "turned.png")
    assert (x[0, :, -1, 0] == 200).all()
    assert (x[0, :, 0, 0] == 0).all()


def test_what_is_no_folder_of_images_is_refused(tmp_path):
    folder_of(tmp_path / "one", ("cat",))
    with pytest.raises(DataError, match="has 1 subfolders of images"):
        pel.data.load_images(tmp_path / "one")
    folder_of(tmp_path / "two")
    (tmp_path / "two" / "cat" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nabc")
    with pytest.raises(DataError, match=r"broken.png' is not an image that can be read"):
        pel.data.load_images(tmp_path / "two")
    with pytest.raises(DataError, match="takes no --target"):
        open_file(str(tmp_path / "two"), target="y")


def test_streamed_images_are_those_in_memory(tmp_path):
    folder_of(tmp_path, count=20)
    streamed = pel.data.load_images(tmp_path, held_out=0.3, stream=True)
    assert streamed.stream is not None
    parts = [*streamed.stream.read(streamed.stream.training), *streamed.stream.read_held_out()]
    assert sum(map(len, parts)) == streamed.rows + streamed.held_out_rows == 40
    values = sorted((int(x[0, 0, 0]), int(y)) for part in parts for x, y in zip(part.x, part.y.ravel(), strict=True))
    assert values == sorted((10 * number + i, number) for number in range(2) for i in range(20))
    assert (parts[0].x.dtype, streamed.preprocessing.scale) == (np.uint8, np.float32(1 / 255))
