"""Images that are imported: decoded whole, turned upright, without anything but pixels; everything else is refused by itself."""

from __future__ import annotations

import io
import stat
import zipfile

import orjson
import polars as pl
import pytest
from PIL import Image

from import_samples import DATA, huge_png, picture, write_zip
from labelmill.blobs import MemoryBlobs
from labelmill.datasets.import_images import as_records
from labelmill.datasets.mapping import SCHEMA
from labelmill.datasets.readers import open_rows, pixels
from labelmill.errors import BadFile, TooLarge


def listed(place):
    """Return the files of a folder or archive with their labels, and what was refused."""
    source = open_rows(place).source
    rows = [row for frame in source.read(["file", "label"]) for row in frame.rows()]
    return rows, {reject.text: reject.reason for reject in source.rejects}


def piece(names):
    rows = [{"place": place, "given_id": name, "content": name, "labels": []} for place, name in enumerate(names, 1)]
    return pl.DataFrame(rows, schema=SCHEMA)


def test_an_image_is_kept_without_its_metadata_and_turned_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    exif[0x010E] = "taken at home"
    exif.get_ifd(0x8825)[1] = "N"
    source = picture(size=(20, 10), exif=exif, comment=b"secret", icc_profile=b"profile")
    made = pixels.clean(source)
    assert (made.width, made.height) == (10, 20)
    with Image.open(io.BytesIO(made.content)) as kept:
        assert (kept.size, kept.format) == ((10, 20), "JPEG")
        assert not kept.getexif()
        assert not {"comment", "icc_profile", "exif"} & kept.info.keys()
    assert b"home" not in made.content


def test_the_same_file_has_the_same_blob_whatever_writes_it():
    source = picture()
    assert pixels.clean(source).blob == pixels.clean(source).blob
    assert pixels.clean(source).blob != pixels.clean(picture(colour=(1, 2, 3))).blob


@pytest.mark.parametrize(
    ("form", "mode", "kept"),
    [("PNG", "RGBA", "PNG"), ("PNG", "P", "PNG"), ("PNG", "L", "PNG"), ("GIF", "P", "PNG"), ("BMP", "RGB", "PNG"), ("WEBP", "RGB", "WEBP"), ("JPEG", "CMYK", "JPEG"), ("JPEG", "L", "JPEG")],
)  # fmt: skip
def test_formats_that_browsers_show_are_taken(form, mode, kept):
    made = pixels.clean(picture(form, mode=mode, colour=None))
    with Image.open(io.BytesIO(made.content)) as image:
        assert (image.format, image.size) == (kept, (8, 6))


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"", "it is no JPEG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "it is no JPEG"),
        (b"GIF89a", "it is"),
        (huge_png(100_000, 100_000), "pixels"),
        (huge_png(8_000, 8_000), "pixels"),
        (huge_png(50, 50), "damaged"),
        (picture(size=(300, 200))[:-200], "damaged or cut off"),
        (picture("PNG", size=(300, 200), colour=None)[:-40], "damaged or cut off"),
        (picture("TIFF"), "it is no JPEG"),
    ],
)
def test_what_is_no_sound_image_is_refused_with_its_reason(source, reason):
    with pytest.raises(BadFile, match=reason):
        pixels.clean(source)


def test_a_truncated_image_that_verify_passes_is_refused():
    cut = picture(size=(300, 200))[:-100]
    with Image.open(io.BytesIO(cut)) as image:
        image.verify()
    with pytest.raises(BadFile, match="cut off"):
        pixels.clean(cut)


def test_a_folder_lists_its_images_with_their_folders_as_labels(tmp_path):
    for name in ("cats/b.jpg", "cats/a.PNG", "top.jpeg", "deep/dogs/c.webp", ".hidden/x.jpg", "cats/.DS_Store", "notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "link.jpg").symlink_to("/etc/passwd")
    (tmp_path / "etc").symlink_to("/etc")
    rows, rejects = listed(tmp_path)
    assert rows == [("cats/a.PNG", "cats"), ("cats/b.jpg", "cats"), ("deep/dogs/c.webp", "dogs"), ("top.jpeg", None)]
    assert rejects == {
        "link.jpg": "it is a link or no file",
        "notes.txt": "it is no JPEG, PNG, WebP, GIF or BMP image by its name",
    }


def test_a_link_that_takes_a_files_place_is_not_followed(tmp_path):
    (tmp_path / "a.jpg").write_bytes(picture())
    source = open_rows(tmp_path).source
    list(source.read(["file"]))
    (tmp_path / "a.jpg").unlink()
    (tmp_path / "a.jpg").symlink_to("/etc/passwd")
    assert isinstance(next(source.contents(["a.jpg"])), BadFile)


def test_members_of_an_archive_that_lead_elsewhere_are_refused(tmp_path):
    good = picture()
    names = [
        "a/ok.jpg",
        "../up.jpg",
        "/root.jpg",
        "a/../../b.jpg",
        "a\\..\\c.jpg",
        "c:d.jpg",
        "x" * 600 + ".jpg",
        "a/\u202egpj.jpg",
        "__MACOSX/a/._ok.jpg",
    ]
    rows, rejects = listed(write_zip(tmp_path / "a.zip", dict.fromkeys(names, good)))
    assert rows == [("a/ok.jpg", "a")]
    assert len(rejects) == 7


def test_links_twins_and_encrypted_members_are_refused(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("link.jpg")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("twin.jpg", picture())
        archive.writestr("secret.jpg", picture())
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("twin.jpg", picture(colour=(0, 0, 0)))
    content = bytearray(path.read_bytes())
    at = content.rfind(b"secret.jpg") - 46 + 8
    content[at] |= 1
    path.write_bytes(content)
    rows, rejects = listed(path)
    assert [name for name, _ in rows] == ["twin.jpg"]
    assert rejects == {
        "link.jpg": "it is a link",
        "secret.jpg": "it is encrypted",
        "twin.jpg": "another file has the same name",
    }


def test_an_archive_that_unpacks_to_far_more_than_it_is_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip", {f"{number}.jpg": b"\0" * 40_000_000 for number in range(4)})
    with pytest.raises(TooLarge, match="would unpack"):
        open_rows(path)


def test_a_member_that_lies_about_its_size_spoils_nothing_else(tmp_path):
    members = {"a.bmp": picture("BMP", size=(100, 100)), "b.jpg": picture()}
    path = write_zip(tmp_path / "a.zip", members)
    path.write_bytes(path.read_bytes().replace(len(members["a.bmp"]).to_bytes(4, "little"), (70).to_bytes(4, "little")))
    blobs = MemoryBlobs()
    made, rejects = as_records(piece(["a.bmp", "b.jpg"]), open_rows(path).source, blobs, report=lambda: None)
    assert made["given_id"].to_list() == ["b.jpg"]
    assert [(reject.place, reject.text) for reject in rejects] == [(1, "a.bmp")]
    assert len(list(blobs.names())) == 1


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\5\6" + b"\0" * 18, b"x" * 1000])
def test_what_is_no_archive_is_refused(tmp_path, content):
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    try:
        rows, _ = listed(path)
    except BadFile:
        return
    except Exception as error:  # noqa: BLE001 - whatever else it is, it is told apart below
        pytest.fail(f"{error!r}")
    assert rows == []


def test_an_archive_whose_list_is_too_long_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("labelmill.datasets.readers.images.MOST_LIST_BYTES", 100)
    with pytest.raises(TooLarge, match="list of files"):
        open_rows(write_zip(tmp_path / "a.zip", {f"{number}.jpg": b"" for number in range(9)}))


def test_records_name_their_blobs_and_a_second_time_the_same_ones(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"x/a.jpg": picture(size=(30, 20)), "x/bad.jpg": b"none", "x/b.png": picture("PNG")})
    blobs = MemoryBlobs()
    first, rejects = as_records(piece(["x/a.jpg", "x/bad.jpg", "x/b.png"]), open_rows(path).source, blobs, report=lambda: None)
    second, _ = as_records(piece(["x/a.jpg", "x/bad.jpg", "x/b.png"]), open_rows(path).source, blobs, report=lambda: None)
    assert first.equals(second)
    assert [(reject.place, reject.text) for reject in rejects] == [(2, "x/bad.jpg")]
    found = orjson.loads(first["content"][0])
    assert (found["width"], found["height"]) == (30, 20)
    with Image.open(io.BytesIO(blobs.get(found["blob"]))) as image:
        assert image.size == (30, 20)


def test_real_photos_are_all_read(tmp_path):
    path = DATA / "clothing_photos" / "clothing_test_372.zip"
    wanted = (372, 10)
    if not path.exists():
        path = write_zip(tmp_path / "a.zip", {f"test/kind{n % 3}/{n}.jpg": picture(colour=(n, n, n)) for n in range(30)})
        wanted = (30, 3)
    rows, rejects = listed(path)
    assert (len(rows), len({label for _, label in rows})) == wanted
    assert rejects == {}
    source = open_rows(path).source
    made, refused = as_records(piece([name for name, _ in rows[:40]]), source, MemoryBlobs(), report=lambda: None)
    assert (made.height, refused) == (min(40, len(rows)), [])
