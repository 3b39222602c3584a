"""What an S3 store answers, in our words: what is wrong, and how to go on. No key is ever repeated."""

from __future__ import annotations

from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError, ProfileNotFound

from labelmill import clock
from labelmill.blobs.model import missing
from labelmill.errors import BadSettings, LabelmillError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Amazon refuses what is off by more than 15 minutes, some sooner.
SKEW_SECONDS: Final = 240
KEYS: Final = "LABELMILL_S3_ACCESS_KEY and LABELMILL_S3_SECRET_KEY (or the AWS variables, ~/.aws, the machine's role)"
#: What some stores answer to a condition that another one has met first.
TAKEN: Final = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict"})
ABSENT: Final = frozenset({"NoSuchKey", "404", "NotFound"})
_REFUSED: Final = {
    "NoSuchBucket": ("There is no such bucket.", "Make it, or name another in LABELMILL_BLOBS_URL."),
    "InvalidBucketName": ("This is no name of a bucket.", "Name another in LABELMILL_BLOBS_URL."),
    "InvalidAccessKeyId": ("The S3 store does not know the access key.", f"Correct {KEYS}."),
    "SignatureDoesNotMatch": ("The secret key does not belong to the access key.", f"Correct {KEYS}."),
    "ExpiredToken": ("The credentials for the S3 store have expired.", f"Renew {KEYS}."),
    "AccessDenied": (
        "The S3 store does not allow this to the access key.",
        "It must be allowed to list the bucket, and to read, write and delete below the prefix.",
    ),
    "AuthorizationHeaderMalformed": (
        "The bucket is in another region.",
        "Write it into LABELMILL_BLOBS_URL: s3://bucket?region=NAME.",
    ),
    "403": ("The S3 store refuses the access key.", f"Correct {KEYS}; the key must be allowed to list the bucket."),
    "PermanentRedirect": ("The bucket is in another region.", "Write it into LABELMILL_BLOBS_URL: s3://bucket?region=NAME."),
}
_SKEWED: Final = frozenset({"RequestTimeTooSkewed", "RequestExpired"})


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def answering(place: str, name: str = "") -> Iterator[None]:
    """Turn what the library raises into NotFound for the blob ``name``, BadSettings or Unavailable; ``place`` is the bucket."""
    try:
        yield
    except ClientError as error:
        raise _refused(error, place, name) from error
    except (NoCredentialsError, PartialCredentialsError, ProfileNotFound) as error:
        raise BadSettings("There are no credentials for the S3 store.", where=place, way_out=f"Set {KEYS}.") from error
    except (BotoCoreError, ConnectionError, TimeoutError) as error:
        raise Unavailable(
            f"The S3 store does not answer ({type(error).__name__}).", where=place,
            way_out="See whether it runs and can be reached from here; the endpoint in LABELMILL_BLOBS_URL must be its address.",
        ) from error  # fmt: skip


def _refused(error: ClientError, place: str, name: str) -> LabelmillError:
    code = code_of(error)
    if code in ABSENT:
        return missing(name)
    if code in _SKEWED or _is_skewed(error):
        return Unavailable(
            "This machine's clock is minutes off that of the S3 store.", where=place,
            way_out="Set the clock, best by NTP.",
        )  # fmt: skip
    if code in _REFUSED:
        message, way_out = _REFUSED[code]
        return BadSettings(message, where=place, way_out=way_out)
    return Unavailable(
        f"The S3 store could not do it ({code}).", where=place, way_out="Try again in a moment; its log tells more."
    )


def _is_skewed(error: ClientError) -> bool:
    """Tell whether the store's clock shows another time: not every one says that this is why it refuses."""
    date = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return date is not None and abs((parsedate_to_datetime(date) - clock.now()).total_seconds()) > SKEW_SECONDS
