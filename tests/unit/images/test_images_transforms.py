"""What comes out of one image, and which images are refused."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

import catalogue_lab
from labelmill.errors import BadFile, BadInput
from labelmill.images import transforms
from labelmill.images.formats import ImageFormat, look, require_honest
from labelmill.images.transforms import Transform

SIZES = ((60, 80), (224, 224), (700, 500), (33, 400))


def photo(size: tuple[int, int], seed: int = 1) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 255, (size[1] // 20 + 2, size[0] // 20 + 2, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def written(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def predecessors(image: Image.Image, transform: Transform, image_id: str) -> Image.Image:
    """Crop at the same place and resize as the predecessor did, with Pillow alone."""
    rows, columns = round(transform.crop * image.height), round(transform.crop * image.width)
    down, right = transforms.place_of(transform, image_id)
    top, left = int(down * (image.height - rows + 1)), int(right * (image.width - columns + 1))
    part = image.crop((left, top, left + columns, top + rows))
    return part.resize((transform.width, transform.height), Image.Resampling.BILINEAR)


@pytest.mark.parametrize("size", SIZES)
def test_p5_a_transform_is_the_predecessors_crop_and_resize(size: tuple[int, int]) -> None:
    transform = Transform(quality=95)
    source = written(photo(size), "JPEG", quality=95)
    made = opened(transforms.apply(transform, source, "1163"))
    assert (made.size, made.mode, made.format) == ((256, 256), "RGB", "JPEG")
    wanted = predecessors(opened(source).convert("RGB"), transform, "1163")
    # Mean difference of a channel, of 255: JPEG twice, and another way to average.
    assert np.abs(np.asarray(made, dtype=int) - np.asarray(wanted, dtype=int)).mean() < 3


def test_p5_the_same_seed_gives_the_same_pixels_and_another_one_others() -> None:
    source = catalogue_lab.picture(3)
    first = transforms.apply(Transform(seed=7), source, "3")
    assert transforms.apply(Transform(seed=7), source, "3") == first
    assert transforms.apply(Transform(seed=8), source, "3") != first
    assert transforms.apply(Transform(seed=7), source, "4") != first


def test_p5_crops_are_spread_over_the_whole_image() -> None:
    places = [transforms.place_of(Transform(seed=1), str(number)) for number in range(2000)]
    for values in zip(*places, strict=True):
        assert min(values) < 0.01
        assert max(values) > 0.99
        assert abs(sum(values) / len(values) - 0.5) < 0.03


@pytest.mark.parametrize("turned", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_images_are_upright_and_say_nothing_but_pixels(turned: int, form: str) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = turned, "taken at home"
    source = written(photo((60, 80)), form, exif=exif, **({"quality": 95} if form == "JPEG" else {"lossless": True}))
    made = opened(transforms.apply(Transform(crop=1.0, width=120, height=90, quality=95), source, "1"))
    wanted = ImageOps.exif_transpose(opened(source)).convert("RGB").resize((120, 90), Image.Resampling.BILINEAR)
    assert np.abs(np.asarray(made, dtype=int) - np.asarray(wanted, dtype=int)).mean() < 3
    assert (len(made.getexif()), "exif" in made.info, b"home" in transforms.apply(Transform(), source, "1")) == (
        0,
        False,
        False,
    )


@pytest.mark.parametrize("form", list(ImageFormat))
def test_the_format_is_that_which_was_asked_for(form: ImageFormat) -> None:
    made = opened(transforms.apply(Transform(width=10, height=20, format=form), catalogue_lab.picture(1), "1"))
    assert (str(made.format).lower(), made.size) == (form, (10, 20))


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "CMYK"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    form = "JPEG" if mode == "CMYK" else "PNG"
    source = written(photo((40, 40)).convert(mode), form)
    assert opened(transforms.apply(Transform(), source, "1")).mode == "RGB"


def test_what_shines_through_is_white() -> None:
    source = written(Image.new("RGBA", (40, 40), (255, 0, 0, 0)), "PNG")
    assert np.asarray(opened(transforms.apply(Transform(), source, "1"))).min() > 250


def bomb() -> bytes:
    whole = bytearray(written(Image.new("L", (8, 8)), "PNG"))
    whole[16:24] = (30_000).to_bytes(4, "big") * 2
    return bytes(whole)


JPEG = catalogue_lab.picture(1)
PREVIEW = JPEG[:2] + b"\xff\xe1" + (len(JPEG) + 2).to_bytes(2, "big") + JPEG + JPEG[2:]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"GIF89a", "no JPEG, PNG or WebP"),
        (b"<svg onload='alert(1)'/>", "no JPEG, PNG or WebP"),
        (JPEG[: len(JPEG) // 2], "cut off"),
        (JPEG[:-2], "cut off"),
        (PREVIEW[: len(JPEG) + 900], "cut off"),
        (b"\xff\xd8\xff\xe0 nothing follows", "damaged or cut off"),
        (written(photo((40, 40)), "PNG")[:-9], "cut off"),
        (written(photo((40, 40)), "WEBP")[:-9], "cut off"),
        (bomb(), "30,000 by 30,000 pixels"),
    ],
)
def test_p9_what_is_no_whole_image_is_refused_before_it_is_decoded(content: bytes, said: str) -> None:
    with pytest.raises(BadFile) as caught:
        look(content)
    assert said in caught.value.message
    with pytest.raises(BadFile):
        transforms.apply(Transform(), content, "1")


def test_an_image_that_is_not_what_its_name_says_is_refused() -> None:
    assert require_honest(JPEG, ".JPEG").format is ImageFormat.JPEG
    with pytest.raises(BadFile, match=r"its name says \.png, but it is JPEG"):
        require_honest(JPEG, ".png")


def test_damage_in_the_middle_is_found_where_pixels_are_needed() -> None:
    broken = bytearray(written(photo((200, 200)), "PNG"))
    broken[len(broken) // 2] ^= 0xFF
    with pytest.raises(BadFile, match="damaged"):
        transforms.apply(Transform(), bytes(broken), "1")


@pytest.mark.parametrize("given", [{"crop": 0.0}, {"crop": 1.5}, {"width": 0}, {"height": 100_000}, {"quality": 101}])
def test_a_transform_that_cannot_be_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        Transform(**given)
