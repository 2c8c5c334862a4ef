"""Images from a user's files: made alike to MNIST's, or refused with a reason, whatever the file holds."""

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

import tinynet as tn
from tinynet.datasets.decode import MAX_PIXELS, read_picture
from tinynet.datasets.images import read_digit, read_sample
from tinynet.datasets.likeness import ranges, unlike
from tinynet.datasets.preparation import Preparation
from tinynet.errors import DatasetError, FileFormatError, TinynetError

_, (DIGITS, _) = tn.datasets.mnist("sample")
RNG = np.random.default_rng(0)


@pytest.fixture
def png(tmp_path):
    """Write an array or a Pillow image as PNG."""

    def write(image):
        path = tmp_path / "image.png"
        (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(path)
        return path

    return write


@pytest.fixture
def npy(tmp_path):
    """Write an array as npy."""

    def write(array):
        np.save(tmp_path / "image.npy", array)
        return tmp_path / "image.npy"

    return write


def mass(image):
    """The centre of mass, as row and column."""
    rows, columns = np.indices(image.shape)
    return (rows * image).sum() / image.sum(), (columns * image).sum() / image.sum()


# --- images of 28 x 28


@pytest.mark.parametrize("i", range(5))
def test_an_image_of_mnist_is_taken_as_it_is(i, png, npy):
    for path in (png(DIGITS[i]), npy(DIGITS[i]), npy(np.asfortranarray(DIGITS[i])), npy(DIGITS[i][..., None])):
        digit = read_digit(path)
        np.testing.assert_array_equal(digit.pixels, DIGITS[i])
        assert digit.pixels.dtype == np.uint8
        assert len(digit.remarks) == 1


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
def test_grey_in_any_mode_of_png_is_the_same(mode, png):
    image = Image.fromarray(DIGITS[0])
    np.testing.assert_array_equal(read_digit(png(image.convert(mode))).pixels, DIGITS[0])


def test_16_bits_are_scaled(png, npy):
    np.testing.assert_array_equal(read_digit(png(DIGITS[0].astype(np.uint16) * 257)).pixels, DIGITS[0])


def test_dark_on_light_is_inverted_and_it_is_said(png):
    digit = read_digit(png(255 - DIGITS[0]))
    np.testing.assert_array_equal(digit.pixels, DIGITS[0])
    assert "dark on light: inverted" in digit.remarks


def test_what_is_transparent_counts_as_white(png):
    drawn = np.zeros((28, 28, 4), np.uint8)
    drawn[..., 3] = DIGITS[0]  # black ink
    digit = read_digit(png(drawn))
    np.testing.assert_array_equal(digit.pixels, DIGITS[0])
    assert digit.remarks[1:] == ["transparent: put on white", "dark on light: inverted"]


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, ">f4"])
def test_floats_from_0_to_1_are_scaled_and_it_is_said(dtype, npy):
    digit = read_digit(npy((DIGITS[0] / 255).astype(dtype)))
    np.testing.assert_allclose(digit.pixels, DIGITS[0], atol=1)
    assert digit.remarks[1:] == ["values from 0 to 1 taken as 0 to 255"]


def test_booleans_and_floats_from_0_to_255_are_taken(npy):
    np.testing.assert_array_equal(read_digit(npy(DIGITS[0] > 99)).pixels, np.where(DIGITS[0] > 99, 255, 0))
    np.testing.assert_array_equal(read_digit(npy(DIGITS[0].astype(float))).pixels, DIGITS[0])


# --- other formats, depths and orientations

LOSSLESS = ("png", "bmp", "gif", "tiff", "webp")


@pytest.mark.parametrize("suffix", [*LOSSLESS, "jpg"])
def test_each_format_is_read(suffix, tmp_path):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(DIGITS[0]).convert("L").save(path, **({"lossless": True} if suffix == "webp" else {}))
    digit = read_digit(path)
    np.testing.assert_allclose(digit.pixels, DIGITS[0], atol=0 if suffix in LOSSLESS else 40)
    assert digit.remarks[0].startswith("28 x 28 ")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff"])
def test_the_orientation_of_each_format_is_honoured(suffix, orientation, tmp_path):
    upright = np.zeros((40, 64), np.uint8)
    upright[:20, :32] = 250
    turns = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
             5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
             8: Image.Transpose.ROTATE_270}  # fmt: skip
    stored = Image.fromarray(upright)
    stored = stored if orientation == 1 else stored.transpose(turns[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / f"a.{suffix}", exif=exif)
    picture = read_picture(tmp_path / f"a.{suffix}")
    np.testing.assert_allclose(np.asarray(picture.image.convert("L")), upright, atol=30)
    assert ("turned upright, as its orientation says" in picture.remarks) == (orientation > 1)


@pytest.mark.parametrize(("bits", "said"), [(10, True), (12, True), (14, True), (16, False)])
def test_fewer_bits_in_16_are_scaled_by_what_they_are(bits, said, png):
    levels = (DIGITS[0].astype(np.float64) / 255 * (2**bits - 1)).round().astype(np.uint16)
    digit = read_digit(png(levels))
    np.testing.assert_allclose(digit.pixels, DIGITS[0], atol=1)
    assert (f"taken as {bits} bits" in " ".join(digit.remarks)) == said


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_mask_of_0_and_1_is_black_and_white(dtype, png, npy):
    mask = (DIGITS[0] > 99).astype(dtype)
    for path in (png(mask), npy(mask)):
        digit = read_digit(path)
        np.testing.assert_array_equal(digit.pixels, 255 * mask.astype(np.uint8))
        assert "values 0 and 1 taken as 0 and 255" in digit.remarks


def test_white_ink_on_a_transparent_ground_is_put_on_black(png):
    drawn = np.full((28, 28, 4), 255, np.uint8)
    drawn[..., 3] = DIGITS[0]
    digit = read_digit(png(drawn))
    np.testing.assert_array_equal(digit.pixels, DIGITS[0])
    assert digit.remarks[1:] == ["transparent: put on black"]


def test_coloured_ink_is_taken_by_its_brightness(png):
    paper = np.full((28, 28, 3), 255, np.uint8)
    paper[..., :2] -= (DIGITS[0][..., None] * 0.9).astype(np.uint8)  # blue ink
    digit = read_digit(png(paper))
    assert np.corrcoef(digit.pixels.ravel(), DIGITS[0].ravel())[0, 1] > 0.99
    assert "coloured: taken by its brightness" in digit.remarks


def test_of_several_images_in_a_file_the_first_is_taken(tmp_path):
    first, second = (Image.fromarray(digit) for digit in DIGITS[:2])
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    digit = read_digit(tmp_path / "a.gif")
    np.testing.assert_array_equal(digit.pixels, DIGITS[0])
    assert "the first of 2 images" in digit.remarks


def on_paper(digit, light):
    """A photograph of dark ink on paper, in some light."""
    ink = np.zeros((300, 300))
    ink[40:240, 60:260] = np.asarray(Image.fromarray(digit).resize((200, 200), Image.Resampling.BILINEAR)) / 255
    return (light * (1 - 0.8 * ink)).clip(0, 255).astype(np.uint8)


def test_uneven_light_is_evened_out(png):
    y, x = np.mgrid[:300, :300]
    for digit in DIGITS[:5]:
        even = read_digit(png(on_paper(digit, 230)))
        assert "unevenly lit: evened out" not in even.remarks
        for light in (230 - 0.35 * x - 0.1 * y, 90 + 0.5 * y):
            shaded = read_digit(png(on_paper(digit, light)))
            assert "unevenly lit: evened out" in shaded.remarks
            assert np.corrcoef(shaded.pixels.ravel(), even.pixels.ravel())[0, 1] > 0.95


def test_a_large_photograph_is_read_in_little_memory(tmp_path):
    large = Image.fromarray(on_paper(DIGITS[0], 230)).resize((3000, 3000))
    large.convert("RGB").save(tmp_path / "a.jpg")
    tracemalloc.start()
    digit = read_digit(tmp_path / "a.jpg")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert digit.pixels.max() == 255
    assert peak < 60e6


@pytest.mark.parametrize("shape", [(20, 30, 3), (20, 30, 1)])
def test_a_photograph_covers_the_sample_and_is_cut_in_the_middle(shape, png):
    image = np.zeros((100, 300, 3), np.uint8)
    image[:, 100:200] = [200, 100, 50]
    sample = read_sample(png(image), Preparation(shape))
    assert sample.pixels.shape == (shape if shape[2] == 3 else shape[:2])
    middle = sample.pixels[10, 15]
    assert np.abs(middle - np.array([200, 100, 50] if shape[2] == 3 else 0.299 * 200 + 58.7 + 5.7)).max() < 2
    assert sample.remarks == ["300 x 100 PNG", "scaled and cut to 30 x 20"]
    assert read_sample(png(image[:10, :10]), Preparation(shape)).remarks[-1] == "enlarged and cut to 30 x 20"


# --- unlike the training data


def test_what_is_unlike_the_training_data_is_told(npy):
    (x, _), (x_test, _) = tn.datasets.digits()
    drawn = tn.datasets.digits().preparation
    known = ranges(x, drawn)
    assert np.mean([bool(unlike(image, drawn, known)) for image in x_test]) < 0.05

    def told(image):
        return " ".join(unlike(read_digit(npy(image)).pixels, drawn, known))

    noise = np.random.default_rng(0).normal(250, 3, (200, 200)).clip(0, 255).astype(np.uint8)
    assert "more ink" in told(noise)
    row = np.concatenate([DIGITS[0], DIGITS[1], DIGITS[2], DIGITS[3]], axis=1)
    assert "more shapes" in told(row)
    shrunk = np.zeros((28, 28), np.uint8)
    shrunk[:9, :9] = np.asarray(Image.fromarray(DIGITS[0][4:24, 4:24]).resize((9, 9)))
    assert "smaller" in told(shrunk)
    assert "farther from the middle" in told(shrunk)


def test_a_photograph_that_is_darker_or_flatter_is_told():
    photo, images = Preparation((8, 8, 3)), RNG.integers(0, 256, (50, 8, 8, 3), np.uint8)
    known = ranges(images, photo)
    assert unlike(images[0], photo, known) == []
    told = unlike(np.full((8, 8, 3), 9, np.uint8), photo, known)
    assert [line.split(" (")[0] for line in told] == ["darker", "with less contrast"]


def test_a_preparation_is_kept_in_a_record():
    for preparation in (Preparation((28, 28, 1), 20, True), Preparation((64, 48, 3))):
        assert Preparation.of_record(preparation.record()) == preparation
    for record in (None, {}, {"shape": [28, 28], "box": 0, "by_mass": False},
                   {"shape": [28, 28, 1], "box": 10**9, "by_mass": False}):  # fmt: skip
        with pytest.raises(FileFormatError, match="does not say how an image becomes a sample"):
            Preparation.of_record(record)


# --- any other size


@given(
    st.integers(8, 120), st.integers(8, 120), st.integers(0, 40), st.integers(0, 40), st.booleans(), st.integers(0, 60)
)
def test_the_ink_fills_a_box_of_20_and_its_mass_is_in_the_middle(h, w, top, left, dark, background):
    ink = np.zeros((h, w))
    ink[: max(1, h // 4)], ink[:, : max(1, w // 4)] = 1, 1  # the shape of a Greek gamma
    image = np.full((h + top + 3, w + left + 3), float(background))
    image[top + 1 : top + 1 + h, left + 1 : left + 1 + w] += ink * (230 - background)
    image = np.round(255 - image if dark else image).astype(np.uint8)
    if image.shape == (28, 28):
        return
    stream = io.BytesIO()
    np.save(stream, image)
    digit = read_bytes(stream.getvalue())
    rows, columns = (np.flatnonzero(digit.pixels.any(axis=axis)) for axis in (1, 0))
    sides = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    assert max(sides) == 20
    for side, drawn in zip(sides, (h, w), strict=True):  # to the pixel, and its edges are blurred
        assert abs(side - 20 * drawn / max(h, w)) <= 0.5 + 0.06 * side
    assert digit.pixels.max() == 255
    if rows[0] > 4 and rows[-1] < 23:  # there was room to centre it
        assert abs(mass(digit.pixels)[0] - 14) <= 0.51
    assert ("dark on light: inverted" in digit.remarks) == dark
    assert digit.remarks[-1] == "cut to its ink, fitted into 20 x 20 and centred in 28 x 28"


@pytest.mark.parametrize("side", [56, 140, 500])
def test_a_digit_that_is_enlarged_and_moved_comes_back_nearly_as_it_was(side, png):
    alike = []
    for digit in DIGITS[:10]:
        canvas = Image.new("L", (550, 700), 255)
        canvas.paste(Image.fromarray(255 - digit).resize((side, side), Image.Resampling.BILINEAR), (31, 177))
        alike.append(np.corrcoef(read_digit(png(canvas)).pixels.ravel(), digit.ravel())[0, 1])
    assert np.mean(alike) > 0.88
    assert min(alike) > 0.7


def test_one_pixel_of_ink_is_enough(npy):
    image = np.zeros((9, 5), np.uint8)
    image[2, 3] = 255
    assert read_digit(npy(image)).pixels.max() == 255


# --- what is refused


def read_bytes(data):
    """Read a file of these bytes; Hypothesis does not take a fixture that is new for each example."""
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return read_digit(file.name)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def header(width, height):
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((28, 28), 77, np.uint8), "a blank image"),
        (np.full((50, 20), 77, np.uint8), "a blank image"),
    ],
)
def test_what_shows_no_digit_is_refused(image, message, png):
    with pytest.raises(FileFormatError, match=message):
        read_digit(png(image))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((28, 28, 4)), r"float64 of shape \(28, 28, 4\); expected one image"),
        (np.zeros((3, 28, 28)), r"shape \(3, 28, 28\)"),
        (np.zeros(784), r"shape \(784\)"),
        (np.zeros((0, 28)), r"shape \(0, 28\)"),
        (np.array([["a"]]), "<U1"),
        (np.zeros((2, 2), complex), "complex128"),
        (np.full((3, 3), -1), "values that are not from 0 to 255"),
        (np.array([[0, 256]]), "values that are not from 0 to 255"),
        (np.array([[0.0, np.nan]]), "values that are not from 0 to 255"),
        (np.array([[0.0, np.inf]]), "values that are not from 0 to 255"),
    ],
)
def test_an_array_that_is_no_grey_image_is_refused(array, message, npy):
    with pytest.raises(FileFormatError, match=message):
        read_digit(npy(array))


def test_objects_are_refused_and_not_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([None], object), allow_pickle=True)
    with pytest.raises(FileFormatError, match="object of shape"):
        read_digit(tmp_path / "a.npy")


def test_a_huge_image_is_refused_by_its_header_alone(tmp_path):
    (tmp_path / "a.png").write_bytes(header(2**30, 2**30) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    with pytest.raises(FileFormatError, match="an enormous image; expected at most 67,108,864 pixels"):
        read_digit(tmp_path / "a.png")
    side = int(MAX_PIXELS**0.5) + 1
    (tmp_path / "a.png").write_bytes(header(side, side) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    with pytest.raises(FileFormatError, match=f"{side} x {side} pixels; expected at most"):
        read_digit(tmp_path / "a.png")
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": (side, side)})
    (tmp_path / "a.npy").write_bytes(stream.getvalue())
    with pytest.raises(FileFormatError, match=f"{side} x {side} pixels; expected at most"):
        read_digit(tmp_path / "a.npy")


def test_text_in_a_png_that_would_take_gigabytes_is_refused_or_left_out(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("k", "a" * 2**26, zip=True)
    Image.fromarray(DIGITS[0]).save(tmp_path / "a.png", pnginfo=info)
    with pytest.raises(FileFormatError, match="cannot be decoded"):
        read_digit(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty; expected a PNG, JPEG, WebP, BMP, GIF or TIFF image, or an .npy array"),
        (b"%PDF-1.4", "it begins with 25 50 44 46; expected a PNG, JPEG"),
        (b"GIF89a", "the image cannot be decoded|it begins with 47 49 46"),
        (b"\xff\xd8\xff\xe0", "the image cannot be decoded|it begins with ff d8"),
        (b"P1 1 1 1", "it begins with 50 31 20 31"),
    ],
)
def test_other_formats_and_bare_beginnings_are_refused(content, message, tmp_path):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(FileFormatError, match=message):
        read_digit(tmp_path / "a.png")


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DatasetError, match=r"cannot be read \(No such file or directory\)"):
        read_digit(tmp_path / "a.png")


def files():
    """A digit in each format, as bytes."""
    streams = {name: io.BytesIO() for name in ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "npy")}
    for name, stream in streams.items():
        if name == "npy":
            np.save(stream, DIGITS[0])
        else:
            Image.fromarray(DIGITS[0]).save(stream, format=name)
    return [stream.getvalue() for stream in streams.values()]


@given(st.sampled_from(files()), st.data())
def test_a_damaged_file_is_read_or_refused_and_nothing_else(content, data):
    broken = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        broken[data.draw(st.integers(0, len(broken) - 1))] ^= data.draw(st.integers(1, 255))
    broken = broken[: data.draw(st.sampled_from([len(broken), data.draw(st.integers(0, len(broken)))]))]
    try:
        digit = read_bytes(bytes(broken))
    except TinynetError:
        return
    assert digit.pixels.shape == (28, 28)
