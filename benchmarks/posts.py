"""Posts as the predecessor's ``ts_page_content`` holds them, made in pieces; the same ones every time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from names import names

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE = "ts_page_content"
PIECE = 100_000  # rows
#: Authors there are for each row; 0.70 of them write, as in the predecessor's published run of 2,376,186 rows.
POPULATION = 4 / 3
#: Of a hundred authors so many have a Latin, Chinese and Japanese name; the others have a handle that no rule is meant to know.
LATIN, CHINESE, JAPANESE = 14, 11, 4
HANDLES = ("user_", "fan_", "夜貓子", "小確幸_", "路過", "吃貨日記", "xx", "旅行的", "cat.lover.", "匿名", "hello", "早安", "tw_", "阿嬤的", "z", "咖啡不加糖")  # fmt: skip
#: Source ids with how many of a hundred authors write there. The last one is in no list of the source map.
SOURCES = {
    "WH_F0045": 38, "WH_F0165": 12, "WH_F0001": 14, "WH_F0116": 5, "WH_F0147": 6, "WH_F0157": 4, "WH_F0127": 2, "WH_F0002": 4,
    "WH_F0003": 3, "WH_F0005": 2, "WH_B0002": 3, "WH_B0003": 1, "WH_N0001": 2, "WH_N0002": 1, "WH_F0183": 2, "WH_F9999": 1,
}  # fmt: skip
#: The predecessor's 17 names, with some of their ids; one id is in two of the lists.
SOURCE_MAP = {
    "Comment": ["WH_F0183"], "Dcard": ["WH_F0116"], "Instagram": ["WH_F0157"], "Ptt": ["WH_F0001"], "Tiktok": ["WH_F0501"],
    "Twitter": ["WH_F0127"], "Youtube": ["WH_F0147"], "blog": ["WH_B0002", "WH_B0003"], "fbfans": ["WH_F0045"],
    "fbgroup": ["WH_F0165"], "fbkol": ["WH_F0071"], "fbpm": ["WH_F0072"], "fbprivategroup": ["WH_F0167"],
    "forum": ["WH_F0002", "WH_F0003", "WH_F0005", "WH_F0116"], "news": ["WH_N0001", "WH_N0002"], "plurk": ["WH_F0038"],
    "video": ["wh_v001"],
}  # fmt: skip
FRAGMENTS = (
    "今天天氣很好想出去走走", "請問大家有推薦的餐廳嗎", "the new phone ", "剛剛看完電影真的很感動", "price is up ", "這次的活動辦得非常成功", "週末要不要一起去爬山呢", "thanks a lot ",
    "新品上市限時優惠中喔喔", "有人遇過一樣的問題嗎謝", "see you soon ", "分享一下我的使用心得吧", "排隊排了兩個小時才買到", "good morning ", "昨天的比賽實在太精彩了", "求問這件外套哪裡買得到",
)  # fmt: skip
_START = 1_577_808_000_000  # ms: the first of 2020 in Taipei, whose clock the table shows
_YEAR = 366 * 86_400_000  # ms


def pieces(rows: int, first: int = 0, last: int | None = None) -> Iterator[pl.DataFrame]:
    """Give the posts from ``first`` to before ``last`` of a table of so many rows, by time, in frames of at most ``PIECE``."""
    end = rows if last is None else min(last, rows)
    for start in range(first, end, PIECE):
        yield _posts(rows, start, min(start + PIECE, end))


def _posts(rows: int, start: int, stop: int) -> pl.DataFrame:
    """Return id, s_id, s_area_id, author, title, content and post_time of some of the rows."""
    row = pl.DataFrame({"row": pl.int_range(start, stop, eager=True)})
    drawn = row.select(
        "row",
        number=_bits("row", 1) % int(rows * POPULATION),
        moment=pl.col("row") * (_YEAR // rows) + (_bits("row", 2) % (_YEAR // rows)).cast(pl.Int64),
    )
    by_share = pl.Series([source for source, share in SOURCES.items() for _ in range(share)])
    pairs = pl.Series([one + two for one in FRAGMENTS for two in FRAGMENTS])
    title, *content = (pairs.gather(row.select(_bits("row", 3) // 256**place % 256).to_series()) for place in range(4))
    return drawn.with_columns(s_id=by_share.gather(drawn.select(_bits("number", 4) % 100).to_series())).select(
        id=pl.format("{}_{}", pl.col("moment") + _START, pl.col("s_id").str.slice(3)),
        s_id="s_id",
        s_area_id=pl.format("{}_{}", "s_id", (_bits("number", 5) % 60).cast(pl.String).str.zfill(4)),
        author=_authors(drawn["number"]),
        title=title,
        content=pl.concat_str(content),
        post_time=pl.datetime(2020, 1, 1) + pl.duration(seconds=pl.col("moment") // 1000),
    )


def _authors(number: pl.Series) -> pl.Series:
    """Return the name of each author of a number."""
    lists, frame = names(), number.to_frame("number")
    frequency = lists.latin["count"].cum_sum()
    drawn = frame.select(
        latin=(_bits("number", 6) % int(frequency[-1])).cast(pl.Int64),
        chinese=_bits("number", 7) % len(lists.chinese),
        japanese=_bits("number", 8) % len(lists.japanese),
        handle=_bits("number", 9) % len(HANDLES),
    )
    kind = _bits("number", 10) % 100
    suffix = pl.when(_bits("number", 11) % 2 == 0).then(pl.lit("")).otherwise((pl.col("number") % 100).cast(pl.String))
    return frame.with_columns(
        latin=lists.latin["name"].gather(frequency.search_sorted(drawn["latin"], side="right")),
        chinese=lists.chinese.gather(drawn["chinese"]),
        japanese=lists.japanese.gather(drawn["japanese"]),
        handle=pl.Series(HANDLES).gather(drawn["handle"]),
    ).select(
        author=pl.when(kind < LATIN)
        .then(pl.format("{} {}", "latin", pl.col("number") % 10_000))
        .when(kind < LATIN + CHINESE)
        .then(pl.concat_str("chinese", suffix))
        .when(kind < LATIN + CHINESE + JAPANESE)
        .then(pl.concat_str("japanese", suffix))
        .otherwise(pl.concat_str("handle", pl.col("number").cast(pl.String)))
    )["author"]


def _bits(column: str, stream: int) -> pl.Expr:
    """Return 64 bits that look random for each value of a column: SplitMix64, which no version of a library changes."""
    mixed = (pl.col(column).cast(pl.UInt64) * 64 + stream) * _whole(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed // 2**30)) * _whole(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed // 2**27)) * _whole(0x94D049BB133111EB)
    return mixed ^ (mixed // 2**31)


def _whole(value: int) -> pl.Expr:
    return pl.lit(value, dtype=pl.UInt64)
