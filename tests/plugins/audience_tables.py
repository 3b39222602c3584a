"""The output database of an Audience API, as its versions left it, on each kind of database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from labelmill.db.bulk.location import parse_location
from labelmill.db.engine import make_engine
from labelmill.labeltasks.adopt.service import adopt

if TYPE_CHECKING:
    from labelmill.labeltasks.adopt.model import Report, TablePlan

#: The seventeen columns of v2.1, without any key.
STATE_21 = """task_id VARCHAR(32), stat VARCHAR(32), prod_stat VARCHAR(10), model_type VARCHAR(32), predict_type VARCHAR(32),
    date_range {long}, target_table VARCHAR(32), create_time {time}, peak_memory {float}, length_receive_table INT,
    length_output_table INT, length_prod_table INT, result {long}, uniq_source_author VARCHAR(100), rate_of_label INT,
    run_time {float}, check_point {time}"""
STATE_24 = """task_id VARCHAR(32) NOT NULL PRIMARY KEY, stat VARCHAR(32) NOT NULL, prod_stat VARCHAR(10), model_type VARCHAR(100) NOT NULL,
    predict_type VARCHAR(100) NOT NULL, date_range {long} NOT NULL, target_schema VARCHAR(32) NOT NULL, create_time {time} NOT NULL,
    peak_memory {float}, length_receive_table INT, length_output_table INT, length_prod_table VARCHAR(100), result {long},
    error_message {long}, uniq_source_author VARCHAR(100), rate_of_label VARCHAR(100), run_time {float}, check_point {time}"""
RESULTS_21 = """id VARCHAR(32) NOT NULL, task_id VARCHAR(32) NOT NULL, source_author {text} NOT NULL, panel VARCHAR(200) NOT NULL,
    create_time {time} NOT NULL, field_content {text} NOT NULL, match_content {long} NOT NULL"""
RESULTS_24 = RESULTS_21 + ", match_meta {long} NOT NULL"
WORDS = {
    "mysql": {"long": "LONGTEXT", "text": "TEXT", "time": "DATETIME", "float": "FLOAT"},
    "postgresql": {"long": "TEXT", "text": "TEXT", "time": "TIMESTAMP", "float": "REAL"},
    "sqlite": {"long": "LONGTEXT", "text": "TEXT", "time": "DATETIME", "float": "FLOAT"},
}
UTF8MB4 = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
UTF8MB3 = "ENGINE=InnoDB DEFAULT CHARSET=utf8mb3"
IDS = [f"{number:032x}" for number in range(1, 6)]
STATE_ROWS_21 = [
    (IDS[0], "SUCCESS", "finish", "keyword_model", "author", "2020-01-01 00:00:00 - 2021-01-01 00:00:00", "wh_fb_ex", "2021-11-01 08:00:00",
     None, 2376186, 236705, 236705, "fbfans", "1672893", 14, 23.26, None),
    (IDS[1], "FAILURE", None, "keyword_model", "author", "", "wh_bbs_01", "2021-11-02 08:00:00", None, None, None, None, "", None, None, None,
     "2020-02-01 06:00:00"),
    (IDS[2], "PENDING", None, "keyword_model", "author", "", "wh_bbs_01", "2021-11-03 08:00:00", None, None, None, None, "", None, None, None,
     None),
]  # fmt: skip
STATE_ROWS_24 = [
    (IDS[0], "SUCCESS", "finish", "keyword_model,regex_model", "author,content", "", "wh_fb_ex", "2021-12-01 08:00:00", None, 10, 4, "3,1",
     "fbfans,Ptt", None, "10,4", "14.15,21.36", 1.5, None),
    (IDS[1], "BREAK", None, "keyword_model", "author", "", "wh_bbs_01", "2021-12-02 08:00:00", None, None, None, None, "", "stopped", None,
     None, None, None),
]  # fmt: skip
RESULT_ROWS = [
    ("1577818324915_FBEXUB", IDS[0], "WH_F0045_陳志明", "/male", "2020-03-01 01:02:03", "WH_F0045", "陳志明"),
    ("1514813950284_1_F02", IDS[0], "WH_F0045_O'Neil 100%", "/male", "2020-03-02 01:02:03", "WH_F0045", "O'Neil 100%"),
    ("1514813950284_1_F02", IDS[0], "WH_F0045_O'Neil 100%", "/male", "2020-03-02 01:02:03", "WH_F0045", "O'Neil 100%"),
]


@dataclass
class Predecessor:
    """One output database; every word about it goes through its real server."""

    url: str

    def __post_init__(self) -> None:
        self.engine = make_engine(self.url, foreign=True)
        self.kind = self.engine.dialect.name

    def make(self, name: str, columns: str, rows: list[tuple[Any, ...]] = (), *, options: str = UTF8MB4) -> None:
        quoted = self.quote(name)
        tail = options if self.kind == "mysql" else ""
        mark = "?" if self.kind == "sqlite" else "%s"
        with self.engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE TABLE {quoted} ({columns.format(**WORDS[self.kind])}) {tail}")
            for row in rows:
                connection.exec_driver_sql(f"INSERT INTO {quoted} VALUES ({', '.join([mark] * len(row))})", row)

    def run(self, statement: str) -> None:
        with self.engine.begin() as connection:
            connection.exec_driver_sql(statement)

    def rows(self, name: str, *columns: str) -> list[tuple[Any, ...]]:
        """Return the rows of a table by their first column, as the database gives them."""
        listed = ", ".join(self.quote(each) for each in columns) or "*"
        with self.engine.connect() as connection:
            found = connection.exec_driver_sql(f"SELECT {listed} FROM {self.quote(name)}")
            return sorted((tuple(row) for row in found), key=str)

    def columns(self, name: str) -> dict[str, Any]:
        return {column["name"]: column for column in sa.inspect(self.engine).get_columns(name)}

    def shape(self) -> dict[str, Any]:
        """Return everything that the catalogue says of every table, for comparing before and after."""
        inspector = sa.inspect(self.engine)
        return {
            name: (
                [(column["name"], str(column["type"]), column["nullable"]) for column in inspector.get_columns(name)],
                inspector.get_pk_constraint(name)["constrained_columns"],
                sorted((index["name"], tuple(index["column_names"])) for index in inspector.get_indexes(name)),
                inspector.get_table_options(name).get("mysql_collate"),
                self.rows(name),
            )
            for name in sorted(inspector.get_table_names())
        }

    def quote(self, name: str) -> str:
        return self.engine.dialect.identifier_preparer.quote_identifier(name)

    def adopt(self, **options: Any) -> Report:
        return adopt(parse_location(self.url), options.pop("state_table", "state"), **options)

    def plan(self, table: str, **options: Any) -> TablePlan:
        return next(plan for plan in self.adopt(**options).plans if plan.name == table)
