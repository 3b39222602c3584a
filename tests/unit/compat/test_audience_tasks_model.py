"""How a request is understood: its times, its queue, its places."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from labelmill.compat.audience import tasks
from labelmill.compat.audience.schemas import NewTask, SampleRow, TaskRow
from labelmill.errors import BadInput, BadSource
from labelmill.labeltasks.result_tables import STATE_COLUMNS
from labelmill.settings import Settings


def test_t01_every_field_has_its_documented_default() -> None:
    assert NewTask().model_dump() == {
        "model_type": "keyword_model", "predict_type": "author_name", "start_time": datetime(2020, 1, 1), "end_time": datetime(2021, 1, 1),
        "target_schema": None, "target_table": "ts_page_content", "output_schema": None, "countdown": 5, "queue": "queue1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2020-01-01 00:00:00", datetime(2020, 1, 1)), ("2020-01-01T00:00", datetime(2020, 1, 1)), ("2020-01-01", datetime(2020, 1, 1)),
        ("2020-01-01T08:00:00+08:00", datetime(2020, 1, 1)), ("2020-01-01T00:00:00Z", datetime(2020, 1, 1)),
        ("2020-01-01T00:00:00.000Z", datetime(2020, 1, 1)), ("2020-01-01 00:00:00.123456", datetime(2020, 1, 1, 0, 0, 0, 123456)),
        (1_577_836_800, datetime(2020, 1, 1)), (1_577_836_800.25, datetime(2020, 1, 1, 0, 0, 0, 250000)), ("0001-01-01", datetime(1, 1, 1)),
    ],
)  # fmt: skip
def test_t01_a_time_is_utc_unless_it_says_otherwise(text: Any, moment: datetime) -> None:
    assert NewTask(start_time=text).start_time == moment


@pytest.mark.parametrize(
    "text",
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "yesterday",
        None,
        [],
        1e300,
    ],
)
def test_t02_what_is_no_time_is_refused(text: Any) -> None:
    with pytest.raises(ValidationError):
        NewTask(start_time=text)


@pytest.mark.parametrize("seconds", [True, False, None, -1, 604_801, 1.5, "soon"])
def test_t02_what_is_no_number_of_seconds_is_refused(seconds: Any) -> None:
    with pytest.raises(ValidationError):
        NewTask(countdown=seconds)


def test_a_number_of_seconds_may_be_written_as_a_text() -> None:
    assert NewTask(countdown="7").countdown == 7  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("start", "end"), [("2020-01-01", "2020-01-01"), ("2020-01-01T00:00Z", "2020-01-01T08:00+08:00"), ("2020", "1970")]
)
def test_t02_an_empty_range_is_refused_across_zones(start: str, end: str) -> None:
    with pytest.raises(BadInput, match="start_time must be earlier than end_time"):
        tasks.times_of(NewTask(start_time=start, end_time=end))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["mysql", "MySQL", "sys", "information_schema", "pg_catalog"])
def test_t02_the_servers_own_schemas_are_never_written_to(name: str) -> None:
    with pytest.raises(BadSource, match="belongs to the server itself"):
        tasks.sink_of(Settings(), name)


@pytest.mark.parametrize("name", ["mysql", "MySQL", "sys", "performance_schema", "information_schema", "pg_catalog"])
def test_t02_the_servers_own_schemas_are_never_read(name: str) -> None:
    for settings, new in ((Settings(), NewTask(target_schema=name)), (Settings(input_schema=name), NewTask())):
        with pytest.raises(BadSource, match="belongs to the server itself"):
            tasks.source_of(settings, new)


@pytest.mark.parametrize(
    ("settings", "schema"),
    [
        ({"output_url": "mariadb://db/results"}, "results"), ({"output_host": "db"}, None),
        ({"output_url": "postgresql://db/data"}, None), ({"output_url": "sqlite:////srv/out.db"}, None),
        ({"output_url": "mariadb://db/results", "output_schema": "other"}, "other"),
    ],
)  # fmt: skip
def test_a_task_keeps_the_schema_that_it_writes_to(settings: dict[str, Any], schema: str | None) -> None:
    assert tasks.sink_of(Settings(**settings))["schema"] == schema


def test_t03_the_schema_of_a_request_goes_before_that_of_the_settings() -> None:
    settings = Settings(output_host="db", output_schema="audience_result")
    assert tasks.sink_of(settings) == {"setting": "output", "schema": "audience_result", "table": None}
    assert tasks.sink_of(settings, "other") == {"setting": "output", "schema": "other", "table": None}


def test_t17_the_default_queue_is_the_first_one_where_it_is_not_configured() -> None:
    assert tasks.queue_of(Settings(queues=("a", "b")), "queue1") == "a"
    assert tasks.queue_of(Settings(queues=("a", "queue1")), "queue1") == "queue1"
    with pytest.raises(BadInput) as raised:
        tasks.queue_of(Settings(queues=("a", "b")), "queue2")
    assert raised.value.way_out == "There are: a, b, queue1."


SCHEMAS = [
    ({}, ""), ({"input_host": "db", "input_schema": "wh_a"}, "wh_a"), ({"input_url": "mariadb://db/wh_b"}, "wh_b"),
    ({"input_url": "postgresql://db/data"}, "public"), ({"input_url": "postgresql://db/data", "input_schema": "wh_c"}, "wh_c"),
    ({"input_url": "sqlite:////srv/in.db"}, "in.db"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "schema"), SCHEMAS)
def test_t03_the_usual_schema_is_that_of_the_settings(settings: dict[str, Any], schema: str) -> None:
    made = Settings(**settings)
    assert tasks._usual_schema(made.input_database, made.input_schema) == schema


def test_t04_a_row_of_the_list_has_the_seventeen_columns_in_their_order() -> None:
    assert tuple(TaskRow.model_fields) == STATE_COLUMNS[:17]


@pytest.mark.parametrize(("kept", "told"), [(None, None), (14, "14"), ("14.15,21.36", "14.15,21.36"), (14.5, "14.5")])
def test_t12_rates_are_texts_whatever_the_table_holds(kept: Any, told: str | None) -> None:
    row = TaskRow.model_validate(
        dict.fromkeys(TaskRow.model_fields) | {"task_id": "a" * 32, "stat": "SUCCESS", "rate_of_label": kept}
    )
    assert row.rate_of_label == told


@pytest.mark.parametrize(("kept", "told"), [(None, None), (14, 14), ("14", 14), ("14,7", "14,7"), (0, 0)])
def test_t12_a_count_is_a_number_unless_a_later_version_wrote_several(kept: Any, told: Any) -> None:
    row = TaskRow.model_validate(dict.fromkeys(TaskRow.model_fields) | {"task_id": "a" * 32, "length_prod_table": kept})
    assert row.length_prod_table == told


def test_a_day_that_is_none_is_null() -> None:
    """As PyMySQL reads MariaDB's 0000-00-00, which an Audience API on a server that is not strict left."""
    none = "0000-00-00 00:00:00"
    row = TaskRow.model_validate(
        dict.fromkeys(TaskRow.model_fields) | {"task_id": "a" * 32, "create_time": none, "check_point": none}
    )
    assert (row.create_time, row.check_point) == (None, None)
    texts = dict.fromkeys(SampleRow.model_fields, "x")
    assert SampleRow.model_validate(texts | {"create_time": none}).create_time is None
    assert (
        SampleRow.model_validate(texts | {"create_time": datetime(2020, 1, 1)}).model_dump()["create_time"]
        == "2020-01-01T00:00:00"
    )
