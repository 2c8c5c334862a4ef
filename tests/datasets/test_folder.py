"""A directory of images for each class: what is read, what is left out, and what is refused."""

import numpy as np
import pytest
from PIL import Image

import tinynet as tn
from tinynet.errors import ArgumentError, DataError

RNG = np.random.default_rng(0)


def picture(path, size=(40, 30), mode="RGB", level=None):
    """Write a picture: of one level, or of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0], 3)
    pixels = RNG.integers(0, 256, shape, np.uint8) if level is None else np.full(shape, level, np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


@pytest.fixture
def photos(tmp_path):
    """Six pictures of each of two classes, of several formats, sizes and modes."""
    folder = tmp_path / "photos"
    for i, (suffix, mode) in enumerate(
        [("jpg", "RGB"), ("png", "RGBA"), ("png", "L"), ("bmp", "RGB"), ("gif", "P"), ("tif", "CMYK")]
    ):
        for label, name in enumerate(("cat", "dog")):
            picture(folder / name / f"{i}.{suffix}", (40 + i, 50 - i), mode, [[60, 60, 60], [220, 0, 200]][label])
    return folder


def test_classes_are_directories_and_images_are_cut_to_a_size(photos):
    data = tn.datasets.image_folder(photos, size=(20, 24))
    assert data.classes == ("cat", "dog")
    assert (data.x_train.shape, data.x_test.shape) == ((10, 20, 24, 3), (2, 20, 24, 3))
    assert (data.x_train.dtype, data.y_train.dtype) == (np.uint8, np.uint8)
    assert [int(label) for label in data.y_train] == [0] * 5 + [1] * 5
    assert abs(int(np.median(data.x_train[data.y_train == 0])) - 60) < 3
    assert (data.shape, data.skipped, data.title) == ((20, 24, 3), (), "photos")
    assert data.source == f"folder (10 + 2 images of 2 classes from {photos}, 20 x 24 in colour)"


def test_grey_images_have_one_channel_and_small_ones_keep_their_size(tmp_path):
    for name in "ab":
        for i in range(3):
            picture(tmp_path / name / f"{i}.png", (12, 10), "L")
    data = tn.datasets.image_folder(tmp_path)
    assert (data.x_train.shape, data.shape) == ((4, 10, 12), (10, 12, 1))
    with Image.open(tmp_path / "a" / "0.png") as first:
        pixels = np.asarray(first)
    assert any((pixels == image).all() for image in (*data.x_train, *data.x_test))
    assert tn.datasets.image_folder(tmp_path, channels="colour").shape == (10, 12, 3)


def test_images_of_other_sizes_become_64_x_64_and_colour_can_be_left_off(photos):
    assert tn.datasets.image_folder(photos).shape == (64, 64, 3)
    grey = tn.datasets.image_folder(photos, channels="grey")
    assert grey.shape == (64, 64, 1)
    assert abs(int(np.median(grey.x_train[grey.y_train == 1])) - round(0.299 * 220 + 0.114 * 200)) < 3


def test_the_same_seed_splits_in_the_same_way_and_each_class_is_in_both_parts(photos):
    first, again, other = (tn.datasets.image_folder(photos, 8, seed=seed) for seed in (0, 0, 1))
    assert first.digest() == again.digest()
    assert first.digest() != other.digest()
    assert set(first.y_test) == {0, 1}
    assert len(tn.datasets.image_folder(photos, 8, test_share=0.5).x_test) == 6


def test_directories_train_and_test_are_taken_as_they_are(tmp_path):
    for part, n in (("train", 3), ("test", 2)):
        for name in ("cat", "dog"):
            for i in range(n):
                picture(tmp_path / part / name / f"{i}.png")
    data = tn.datasets.image_folder(tmp_path, 8)
    assert (len(data.x_train), len(data.x_test), data.classes) == (6, 4, ("cat", "dog"))


def test_what_is_no_image_is_listed_and_what_is_nested_or_hidden_is_known(photos):
    (photos / "cat" / "notes.txt").write_text("no image")
    (photos / "cat" / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 broken")
    (photos / "dog" / ".hidden.png").write_bytes(b"")
    (photos / ".git").mkdir()
    picture(photos / "dog" / "more" / "deep.png")
    data = tn.datasets.image_folder(photos, 8)
    assert len(data.x_train) + len(data.x_test) == 13
    assert len(data.skipped) == 2
    assert data.skipped[0].startswith(f"{photos}/cat/broken.jpg: ")
    assert data.skipped[1] == f"{photos}/cat/notes.txt: no image"
    assert data.source.endswith("in colour; 2 files left out)")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda p: [f.unlink() for f in (p / "dog").iterdir()], r"there is only \'cat\' \(dog is empty\)"),
        (lambda p: [f.unlink() for f in list((p / "dog").iterdir())[1:]], "class 'dog' has 1 image, but needs two"),
        (lambda p: (p / "dog").rename(p.parent / "gone"), "two classes or more, but there is only 'cat'"),
        (lambda p: [f.write_bytes(b"x") for f in (p / "dog").iterdir()], "class 'dog' has 0 images.*dog/0.jpg: it be"),
        (lambda p: [d.rename(p.parent / d.name) for d in list(p.iterdir())], "two classes or more, but there is none"),
    ],
)
def test_too_few_classes_or_images_are_refused(spoil, message, photos):
    spoil(photos)
    with pytest.raises(DataError, match=message):
        tn.datasets.image_folder(photos)


def test_a_class_whose_name_cannot_be_printed_is_refused(photos):
    (photos / "cat").rename(photos / "c\x1b[31mat")
    with pytest.raises(DataError, match=r"the name 'c\\x1b\[31mat' of a class cannot be printed; rename"):
        tn.datasets.image_folder(photos)


def test_a_class_that_only_the_test_set_has_is_refused(tmp_path):
    for place in ("train/cat", "train/dog", "test/cat", "test/cow"):
        picture(tmp_path / place / "0.png")
    with pytest.raises(DataError, match="there is no image of cow for training"):
        tn.datasets.image_folder(tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size must be an integer of 1 or more, but got 0"),
        ({"size": (8, 8, 3)}, "size must be one integer or two"),
        ({"size": "8"}, "size must be an integer or a sequence"),
        ({"size": 5000}, "at most 4096"),
        ({"test_share": 1.0}, "test_share must be a share between 0 and 1"),
        ({"test_share": "a fifth"}, "test_share must be a share between 0 and 1, but got 'a fifth'"),
        ({"seed": -1}, "image_folder: seed must be"),
        ({"channels": "rgb"}, "channels must be None"),
    ],
)
def test_arguments_out_of_range_are_refused(options, message, photos):
    with pytest.raises(ArgumentError, match=message):
        tn.datasets.image_folder(photos, **options)


@pytest.mark.parametrize("path", [None, 3, "\0", ["photos"], "~nobody-of-this-name/photos"])
def test_what_is_no_path_is_no_directory(path):
    with pytest.raises(ArgumentError, match="is not a directory; give one that holds"):
        tn.datasets.image_folder(path)


def test_what_is_no_directory_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="is not a directory; give one that holds a directory of images"):
        tn.datasets.image_folder(tmp_path / "absent")
