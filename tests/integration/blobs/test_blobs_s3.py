"""What an S3 store may say, and what people are told then; parts, copies on this machine, and a sweep that was killed."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from labelmill import clock
from labelmill.blobs.opening import open_blobs
from labelmill.blobs.places import BlobPlace, Store, parse_place
from labelmill.blobs.s3 import PART, S3Blobs
from labelmill.blobs.s3_errors import answering
from labelmill.errors import BadSettings, NotFound, Unavailable

VERBS = {
    "put": lambda blobs, _path: blobs.put("a", b"1"),
    "put_file": lambda blobs, path: blobs.put_file("a", path),
    "get": lambda blobs, _path: blobs.get("a"),
    "path": lambda blobs, _path: blobs.path("a"),
    "exists": lambda blobs, _path: blobs.exists("a"),
    "size": lambda blobs, _path: blobs.size("a"),
    "names": lambda blobs, _path: list(blobs.names()),
    "remove": lambda blobs, _path: blobs.remove("a"),
    "remove_older": lambda blobs, _path: blobs.remove_older("a", 1e12),
}


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(b"x" * PART)
    return path


def _refused(blobs, large, error):
    """Return what people are told, by verb."""
    told = {}
    for name, verb in VERBS.items():
        with pytest.raises(error) as caught:
            verb(blobs, large)
        told[name] = str(caught.value)
    return told


def test_a_missing_bucket_is_told_by_every_verb(s3, cache, large):
    told = _refused(S3Blobs(s3.usual, "no-such-bucket", "", cache), large, BadSettings)
    assert set(told.values()) == {
        "s3://no-such-bucket/: There is no such bucket. Make it, or name another in LABELMILL_BLOBS_URL."
    }


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"access_key": "nobody"}, "does not know the access key"),
        ({"secret_key": "wrong-secret"}, "does not belong to the access key"),
    ],
)
def test_a_wrong_key_is_told_by_every_verb_and_never_repeated(s3, cache, large, changed, message):
    told = _refused(S3Blobs(s3.client(**changed), s3.bucket(), "", cache), large, BadSettings)
    for name, text in told.items():
        assert message in text, name
        assert "LABELMILL_S3_ACCESS_KEY" in text
        assert not {*changed.values(), s3.access_key, s3.secret_key} & set(text.replace(",", " ").split())


def test_a_store_that_is_away_is_told_with_the_place_to_look(cache, large, s3):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        client = s3.client(endpoint=f"http://127.0.0.1:{taken.getsockname()[1]}")
        client.meta.config.retries["total_max_attempts"] = 1
        blobs = S3Blobs(client, "bucket", "", cache)
        for verb in ("put", "get", "names"):
            with pytest.raises(Unavailable, match=r"does not answer.*LABELMILL_BLOBS_URL"):
                VERBS[verb](blobs, large)


def test_a_clock_that_is_off_is_told(s3, cache, monkeypatch):
    blobs = S3Blobs(s3.usual, s3.bucket(), "", cache)
    wrong = clock.now() - timedelta(hours=3)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_arguments, **_named: wrong.replace(tzinfo=None))
    monkeypatch.setattr(clock, "now", lambda: wrong)
    with pytest.raises(Unavailable, match=r"clock.*NTP"):
        blobs.put("a", b"1")


def test_no_credentials_at_all_are_told(s3, cache, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    blobs = S3Blobs(s3.client(access_key=None, secret_key=None), s3.bucket(), "", cache)
    with pytest.raises(BadSettings, match=r"no credentials.*AWS variables"):
        blobs.get("a")


def test_without_a_key_the_usual_places_are_asked(s3, cache, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", s3.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.secret_key)
    blobs = open_blobs(parse_place(s3.url(s3.bucket())), cache, None)
    blobs.put("a", b"1")
    assert blobs.get("a") == b"1"


def test_half_a_key_is_refused(cache):
    place = BlobPlace(store=Store.S3, bucket="bucket")
    with pytest.raises(BadSettings, match="Only one of"):
        open_blobs(place, cache, None, ("key", None))


@pytest.mark.parametrize("code", ["AccessDenied", "ExpiredToken", "RequestTimeTooSkewed", "SlowDown", "InternalError"])
def test_other_refusals_say_what_to_do(code):
    with pytest.raises((BadSettings, Unavailable)) as caught, answering("s3://bucket/"):
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "PutObject")
    assert caught.value.way_out


def test_what_lies_beside_the_prefix_is_not_ours(s3, s3_blobs, cache):
    client, bucket = s3.usual, s3_blobs._bucket
    client.put_object(Bucket=bucket, Key="labelmill/other", Body=b"theirs")
    client.put_object(Bucket=bucket, Key="labelmill/kept/Not A Name", Body=b"theirs")
    s3_blobs.put("a", b"ours")
    assert list(s3_blobs.names()) == ["a"]
    assert not S3Blobs(client, bucket, "labelmill/", cache).exists("a")
    assert client.get_object(Bucket=bucket, Key="labelmill/kept/a")["Body"].read() == b"ours"


def test_a_large_file_goes_in_parts(s3_blobs, large, monkeypatch):
    asked = []
    s3_blobs._client.meta.events.register("before-call.s3", lambda model, **_more: asked.append(model.name))
    with large.open("ab") as file:
        file.write(b"y")
    s3_blobs.put_file("large", large)
    assert asked.count("UploadPart") == 2
    assert s3_blobs.get("large") == large.read_bytes()


def test_p_an_answer_that_breaks_off_goes_on_where_it_broke(s3_blobs, monkeypatch):
    """Three times in a row nothing comes: then the reader is told."""
    s3_blobs.put("a", b"0123456789" * 400_000)
    real, asked, broken = s3_blobs._client.get_object, [], [True, True]

    def flaky(**values):
        asked.append(values["Range"])
        found = real(**values)
        if broken and broken.pop():
            whole = found["Body"].read()
            found["Body"] = _Breaking(whole[: len(whole) // 2])
        return found

    monkeypatch.setattr(s3_blobs._client, "get_object", flaky)
    assert s3_blobs.get("a") == b"0123456789" * 400_000
    assert asked == ["bytes=0-3999999", "bytes=2000000-3999999", "bytes=3000000-3999999"]
    broken[:] = [True] * 5
    monkeypatch.setattr(_Breaking, "share", 0)
    with pytest.raises(Unavailable, match="ReadTimeout"):
        s3_blobs.get("a")


class _Breaking:
    share = 1

    def __init__(self, content):
        self._content = content

    def iter_chunks(self, _size):
        if self.share:
            yield self._content
        raise ReadTimeoutError(endpoint_url="http://127.0.0.1")


def test_a_store_without_conditions_is_served_too(s3_blobs, monkeypatch):
    real = s3_blobs._client.put_object

    def old(**values):
        if "IfNoneMatch" in values:
            raise ClientError({"Error": {"Code": "NotImplemented"}}, "PutObject")
        return real(**values)

    monkeypatch.setattr(s3_blobs._client, "put_object", old)
    s3_blobs.put("a", b"1")
    assert s3_blobs.get("a") == b"1"


def test_who_loses_the_race_for_a_name_counts_on_what_won(s3_blobs, monkeypatch):
    """The store has said that there is no such object, and then that there is one."""
    real = s3_blobs._client.put_object

    def late(**values):
        real(**values | {"Body": b"first"})
        raise ClientError({"Error": {"Code": "PreconditionFailed"}}, "PutObject")

    monkeypatch.setattr(s3_blobs._client, "put_object", late)
    s3_blobs.put("a", b"second")
    assert s3_blobs.get("a") == b"first"


def test_a_copy_is_made_once_and_again_where_it_was_damaged(s3_blobs, monkeypatch):
    s3_blobs.put("features/1.npy", b"features")
    copy = s3_blobs.path("features/1.npy")
    monkeypatch.setattr(s3_blobs._client, "get_object", None)
    assert s3_blobs.path("features/1.npy") == copy
    monkeypatch.undo()
    copy.write_bytes(b"feat")
    assert s3_blobs.path("features/1.npy").read_bytes() == b"features"
    s3_blobs.remove("features/1.npy")
    with pytest.raises(NotFound):
        s3_blobs.path("features/1.npy")


def test_other_bytes_than_were_put_are_never_handed_out_as_a_file(s3, s3_blobs):
    s3_blobs.put("a", b"right")
    key = "labelmill/kept/a"
    metadata = s3.usual.head_object(Bucket=s3_blobs._bucket, Key=key)["Metadata"]
    s3.usual.put_object(Bucket=s3_blobs._bucket, Key=key, Body=b"wrong", Metadata=metadata)
    with pytest.raises(Unavailable, match="other bytes"):
        s3_blobs.path("a")


def test_a_sweep_that_was_killed_stops_nobody_for_long(s3_blobs, monkeypatch):
    """Its mark stays behind: others do not remove the file meanwhile, and who puts it waits for a while only."""
    s3_blobs.put("a", b"1")
    s3_blobs._put_new(s3_blobs._mark("a"), b"", "")
    assert not s3_blobs.remove_older("a", clock.now().timestamp() + 100)
    assert list(s3_blobs.names()) == ["a"]
    # Times are whole seconds: one that is waited for may take a second more, within twice as many.
    monkeypatch.setattr("labelmill.blobs.s3.DOOM_SECONDS", 2.0)
    s3_blobs.put("a", b"1")
    assert s3_blobs._head(s3_blobs._mark("a")) is None
    assert s3_blobs.remove_older("a", clock.now().timestamp() + 100)
