"""What goes over HTTP in the Audience API's contract: its names, its types, its order, its nulls."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, PlainSerializer


def _as_utc(moment: datetime) -> datetime:
    try:
        return (moment.astimezone(UTC) if moment.tzinfo else moment).replace(tzinfo=None)
    except OverflowError:
        raise ValueError("it lies beyond the calendar in UTC") from None


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("it is true or false, not a number of seconds")  # noqa: TRY004 - pydantic reports no TypeError
    return value


Name = Annotated[str, Field(min_length=1, max_length=300)]
#: A time as somebody gives it, with a zone or in UTC; here it is UTC without saying so.
Time = Annotated[datetime, AfterValidator(_as_utc)]
#: A moment as the predecessor's tables hold it: to the second, UTC, without saying so.
Moment = Annotated[datetime, PlainSerializer(lambda moment: moment.isoformat(timespec="seconds"), return_type=str)]
#: One out of a table, where MariaDB's driver gives a day that is none, 0000-00-00, as a text.
Told = Annotated[Moment | None, BeforeValidator(lambda value: None if isinstance(value, str) else value)]
#: Lists of numbers are texts; the predecessor's own tables hold a single one as a number.
Listed = Annotated[str | None, BeforeValidator(lambda value: value if value is None else str(value))]

#: A count; tables of a later version hold several of them as a text with commas.
Counted = Annotated[int | str | None, BeforeValidator(lambda value: int(value) if str(value).isdecimal() else value)]


class NewTask(BaseModel):
    """What `POST /api/tasks/` takes. Every field has a default; fields that it does not know are ignored, as ever."""

    model_type: str = Field(default="keyword_model", max_length=300, description="`keyword_model` or `rule_model`.")
    predict_type: str = Field(
        default="author_name", max_length=300, description="`author_name`, `content`, `s_area_id` or `title`."
    )
    start_time: Time = Field(default=datetime(2020, 1, 1), description="Belongs to the range. Without a zone it is UTC.")  # noqa: DTZ001 - the contract's
    end_time: Time = Field(default=datetime(2021, 1, 1), description="Does not belong to the range.")  # noqa: DTZ001 - the contract's
    target_schema: Name | None = Field(default=None, description="Where to read.  Default: the input schema of the settings.")
    target_table: Name = Field(default="ts_page_content", description="What to read.")
    output_schema: Name | None = Field(
        default=None, max_length=63, description="Where to write.  Default: the output schema of the settings."
    )
    countdown: Annotated[int, BeforeValidator(_no_truth)] = Field(
        default=5, ge=0, le=604_800, description="Seconds between the last result and production."
    )
    queue: Name = Field(default="queue1", description="One of the settings' queues; `queue1` is always one.")


class TaskConfig(BaseModel):
    """The task as it was understood; `predict_type` is the column that is labelled."""

    model_type: str
    predict_type: str
    start_time: datetime
    end_time: datetime
    target_schema: str
    target_table: str
    output_schema: str
    countdown: int
    queue: str
    date_range: str = Field(examples=["2020-01-01 00:00:00 - 2021-01-01 00:00:00"])
    task_id: str = Field(description="32 hexadecimal digits.")


class Created(BaseModel):
    error_code: int = 200
    error_message: TaskConfig


class TaskRow(BaseModel):
    """One row of the table `state`."""

    task_id: str
    stat: str | None = Field(description="`PENDING` (queued or running), `SUCCESS`, `FAILURE` or `BREAK`.")
    prod_stat: str | None = Field(description="null until production is done, then `finish`, or `no_data`.")
    model_type: str | None
    predict_type: str | None
    date_range: str | None
    target_table: str | None = Field(description="The schema that is read.")
    create_time: Told
    peak_memory: float | None = Field(description="MB.")
    length_receive_table: int | None = Field(description="Rows read.")
    length_output_table: int | None = Field(description="Rows of results.")
    length_prod_table: Counted = Field(description="Rows of production.")
    result: str | None = Field(description="The names with results, with commas between them.")
    uniq_source_author: Listed = Field(description="Distinct authors, in the order of `result`.")
    rate_of_label: Listed = Field(description="Production rows per hundred authors, in the order of `result`.")
    run_time: float | None = Field(description="Minutes.")
    check_point: Told = Field(description="Where the first unfinished part begins.")


class TaskList(BaseModel):
    error_code: int = 200
    error_message: str = "OK"
    content: list[TaskRow]


class TaskStatus(BaseModel):
    error_code: int = 200
    error_message: str = "OK"
    status: str | None
    prod_status: str | None
    result: str | None


class SampleRow(BaseModel):
    id: str
    task_id: str
    source_author: str | None
    panel: str
    create_time: Told
    field_content: str | None
    match_content: str | None


class Sample(BaseModel):
    error_code: int = 200
    error_message: list[SampleRow]


class Refusal(BaseModel):
    """What went wrong; the id under which it stands in the log is the header `X-Error-ID`."""

    error_code: int
    error_message: str


class StatusRefusal(Refusal):
    status: None = None
    prod_status: None = None
    result: None = None


class FieldAtFault(BaseModel):
    loc: list[str | int]
    msg: str
    type: str


class Invalid(BaseModel):
    """A value that is missing, of the wrong type or not one of those allowed."""

    detail: list[FieldAtFault]


def refused(*codes: int, model: type[BaseModel] = Refusal) -> dict[int | str, dict[str, Any]]:
    """Return the entries of errors for the OpenAPI document."""
    common = (401, 403, 429, 503)
    meanings = {
        400: "The request, or the task id, cannot be used.", 401: "Nobody is signed in.", 403: "This may not be done.",
        404: "No rows.", 429: "Too many wrong tokens.", 500: "The task cannot be started, or a database cannot be read.",
        501: "The rules cannot be read.", 503: "A database does not answer.",
    }  # fmt: skip
    shapes: dict[int | str, dict[str, Any]] = {422: {"model": Invalid, "description": Invalid.__doc__}}
    for code in (*codes, *common):
        shapes[code] = {"model": model if code in codes else Refusal, "description": meanings[code]}
    return shapes
