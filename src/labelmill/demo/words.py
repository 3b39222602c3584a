"""What the sample's authors and posts are made of."""

# ruff: noqa: RUF001 - Chinese sentences have Chinese punctuation

from __future__ import annotations

from typing import Final

MALE_LATIN: Final = (
    "James", "Robert", "John", "Michael", "David", "William", "Richard", "Thomas", "Daniel", "Matthew", "Anthony", "Mark", "Steven",
    "Andrew", "Kenneth", "Kevin", "Brian", "George", "Timothy", "Ronald", "Jason", "Edward", "Jeffrey", "Ryan", "Jacob", "Nicholas",
    "Gary", "Eric", "Jonathan", "Stephen", "Larry", "Justin", "Scott", "Brandon", "Benjamin", "Samuel", "Gregory", "Frank", "Raymond",
    "Patrick", "Jack", "Dennis", "Jerry", "Tyler", "Aaron", "Henry", "Peter", "Adam", "Nathan", "Oscar",
)  # fmt: skip
FEMALE_LATIN: Final = (
    "Mary", "Patricia", "Jennifer", "Linda", "Elizabeth", "Barbara", "Susan", "Jessica", "Karen", "Sarah", "Lisa", "Nancy", "Betty",
    "Sandra", "Margaret", "Ashley", "Kimberly", "Emily", "Donna", "Michelle", "Carol", "Amanda", "Melissa", "Deborah", "Stephanie",
    "Rebecca", "Sharon", "Laura", "Cynthia", "Dorothy", "Amy", "Kathleen", "Angela", "Shirley", "Emma", "Brenda", "Pamela", "Nicole",
    "Anna", "Samantha", "Katherine", "Christine", "Debra", "Rachel", "Carolyn", "Janet", "Maria", "Olivia", "Heather", "Helen",
)  # fmt: skip
SURNAMES: Final = tuple("陳林黃張李王吳劉蔡楊許鄭謝郭洪曾邱廖賴徐周葉蘇莊呂江何蕭羅高潘簡朱鍾彭游詹胡施沈")
MALE_HAN: Final = (
    "志明", "俊傑", "建宏", "家豪", "志豪", "冠宇", "承恩", "柏翰", "宗翰", "彥廷", "俊宏", "文雄", "國華", "志偉", "建志", "信宏", "明哲", "政霖", "偉倫", "宇軒",
)  # fmt: skip
FEMALE_HAN: Final = (
    "淑芬", "美玲", "雅婷", "怡君", "淑惠", "佳穎", "詩涵", "欣怡", "雅雯", "宜蓁", "美惠", "秀英", "麗華", "佩珊", "靜怡", "思妤", "惠美", "雅琪", "婉婷", "筱涵",
)  # fmt: skip
MALE_WORDS: Final = ("先生", "爸爸", "阿伯", "哥哥", "叔叔")
FEMALE_WORDS: Final = ("小姐", "媽媽", "阿姨", "姊姊", "太太")
HANDLES: Final = (
    "night_owl", "rainbow", "coffee", "路人", "匿名", "吃貨", "pixel", "wanderer", "小編", "bookworm", "旅人", "noodle", "柴犬", "starlight", "鍵盤", "traveler",
    "貓奴", "sunny", "cloud9", "飛魚",
)  # fmt: skip
EMOJI: Final = ("", "", "", "", "", "🐱", "✨", "🌸")
TITLES: Final = (
    "Which phone should I buy?", "週末去哪裡玩", "Best noodles in town", "請問這款值得買嗎", "My first marathon", "租屋問題請益", "A question about taxes",
    "推薦好看的書", "Rainy day recipes", "新手爸媽看過來",
)  # fmt: skip
CONTENTS: Final = (
    "I tried it for two weeks and would buy it again.", "有人去過嗎？想聽聽大家的心得。", "The queue was long, but it was worth the wait.", "價格有點高，但是品質不錯。",
    "Does anybody know whether the shop opens on Sundays?", "昨天試了一下，覺得普通。", "Thank you all for your help!", "求推薦，預算五千以內。",
)  # fmt: skip
#: Where posts come from: source id, share of the posts, and the name in the source map (None: left out of it, to be seen in the report).
SOURCES: Final = (
    ("WH_F0045", 0.34, "fbfans"),
    ("WH_F0001", 0.22, "Ptt"),
    ("WH_F0116", 0.14, "Dcard"),
    ("WH_F0002", 0.12, "forum"),
    ("WH_F0003", 0.08, "forum"),
    ("WH_B0002", 0.09, "blog"),
    ("WH_X0009", 0.01, None),
)
