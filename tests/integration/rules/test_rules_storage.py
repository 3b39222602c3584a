"""Stored rule sets on every database: versions rise, never change, and nobody's save is lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from labelmill.db import migrate
from labelmill.db.database import Database
from labelmill.db.engine import make_engine
from labelmill.db.tables import METADATA
from labelmill.errors import BadInput, Conflict, NotFound
from labelmill.rules import Kind, Label, Match, Rule, RuleSet, Tie, pack, service
from labelmill.rules.tables import rule_set_versions, rule_sets


def people(*keywords: str, name: str = "people", tie: Tie = Tie.DROP) -> RuleSet:
    labels = (Label("/男", "gender"), Label("/female", "gender"), Label("/🌸"))
    return RuleSet(
        name, labels, tuple(Rule("/男", Kind.KEYWORD, Match.START, one) for one in keywords), tie, case_sensitive=True
    )


def save(database: Database, name: str, rule_set: RuleSet, **more):
    return database.transact(service.save, name, pack(rule_set), **more)


def read(database: Database, verb, *values, **more):
    with database.read() as connection:
        return verb(connection, *values, **more)


def test_a_version_comes_back_as_it_was_saved_and_saving_it_again_makes_none(database):
    """Labels, groups, order, tie, case and every letter; a new order of rules is new content."""
    first = people("tom", "志明", "o'neil 👩‍💻", "Tom ", "tom", tie=Tie.FIRST)
    made = save(database, "people", first, created_by="a" * 32, note="begun")
    again = save(database, "people", first, note="again")
    assert (made.new, made.version, again.new, again.version) == (True, 1, False, 1)
    assert read(database, service.get_rule_set, "people").rule_set == first
    assert read(database, service.find, "people@1").note == "begun"
    turned = save(database, "people", people("志明", "tom"))
    assert (turned.new, turned.version) == (True, 2)
    assert read(database, service.find, "people@1").rule_set == first
    assert read(database, service.find, "people").content_hash == turned.content_hash
    versions = read(database, service.list_versions, "people")
    assert [(one.version, one.rules, one.labels, one.note) for one in versions] == [(2, 2, 3, ""), (1, 5, 3, "begun")]
    assert [one.version for one in read(database, service.list_versions, "people", before=2)] == [1]


def test_the_stored_name_is_the_rule_sets_name(database):
    """Whatever the file said: who asks for a name gets that name."""
    saved = save(database, "authors", people("x", name="from a file"))
    assert saved.rule_set.name == "authors" == read(database, service.find, "authors").rule_set.name


def test_going_back_makes_a_new_version_with_the_old_content(database):
    """History is appended; only the latest is compared."""
    one, two = people("one"), people("two")
    for rule_set in (one, two, one):
        save(database, "people", rule_set)
    hashes = [version.content_hash for version in read(database, service.list_versions, "people")]
    assert hashes == [one.content_hash, two.content_hash, one.content_hash]


def test_who_began_from_an_older_version_is_told_so(database):
    """Lost updates are refused with the version that is there now; 0 means that the name must be new."""
    save(database, "people", people("one"), expected=0)
    save(database, "people", people("two"), expected=1)
    with pytest.raises(Conflict, match="is at version 2, not 1") as caught:
        save(database, "people", people("three"), expected=1)
    assert caught.value.details["version"] == 2
    with pytest.raises(Conflict, match="There is a rule set 'people' already"):
        save(database, "people", people("three"), expected=0)
    with pytest.raises(Conflict, match="is at version 0, not 4"):
        save(database, "nobody", people("three"), expected=4)
    assert [one.name for one in read(database, service.list_rule_sets)] == ["people"]


def test_an_archived_rule_set_is_kept_but_not_used(database):
    """It is found by its version, not by its name; it is not saved to; restoring undoes it all."""
    save(database, "people", people("one"))
    info = database.transact(service.archive, "people")
    assert database.transact(service.archive, "people").archived_at == info.archived_at is not None
    with pytest.raises(NotFound, match="is archived"):
        read(database, service.find, "people")
    assert read(database, service.find, "people@1").archived_at == info.archived_at
    with pytest.raises(Conflict, match="is archived"):
        save(database, "people", people("two"))
    assert read(database, service.list_rule_sets) == []
    assert [one.name for one in read(database, service.list_rule_sets, archived=True)] == ["people"]
    assert database.transact(service.restore, "people").archived_at is None
    assert save(database, "people", people("two")).version == 2


def test_names_that_look_alike_are_several(database):
    """Case and blanks count on every database, and the list is in pages by name."""
    names = ["A", "a", "a b", "a.b", "ä", "人"]
    for name in names:
        save(database, name, people(name))
    found = [one.name for one in read(database, service.list_rule_sets)]
    assert sorted(found) == sorted(names)
    assert [one.name for one in read(database, service.list_rule_sets, after=found[2], limit=2)] == found[3:5]


@pytest.mark.parametrize(
    "name", ["", " a", "a ", "a@1", "a/b", "..", ".a", "new", "x" * 101, "a\0", "a\nb", "a'; --", "-a", "check"]
)
def test_a_name_that_could_not_be_written_everywhere_is_refused(sqlite_database, name):
    """In a path, before ``@version``, on a command line."""
    engine = make_engine(sqlite_database)
    migrate.upgrade(engine)
    with pytest.raises(BadInput, match="is no name for a rule set"):
        save(Database(engine), name, people("x"))
    engine.dispose()


def test_what_is_missing_is_told_with_what_there_is(database):
    """Names, versions, and references that are none."""
    save(database, "people", people("one"))
    with pytest.raises(NotFound, match="There is no rule set 'ghosts'"):
        read(database, service.find, "ghosts")
    with pytest.raises(NotFound, match=r"There is no rule set 'ghosts'"):
        read(database, service.find, "ghosts@1")
    with pytest.raises(NotFound, match=r"has no version 7\. Its versions are 1 to 1"):
        read(database, service.find, "people@7")
    for reference in ("people@", "people@0", "people@x", "people@-1", "people@1.0", "people@99999999999"):
        with pytest.raises(BadInput, match="is no version"):
            read(database, service.find, reference)
    for verb in (service.archive, service.restore, service.get_info, service.list_versions):
        with pytest.raises(NotFound, match="ghosts"):
            database.transact(verb, "ghosts")


def test_many_who_save_at_once_get_a_version_each(database):
    """Eight writers, four saves each, the first of them making the name: 32 versions without a gap, each with its own content."""

    def work(writer: int) -> list[tuple[int, str]]:
        saved = []
        for number in range(4):
            one = save(database, "people", people(f"writer {writer} rule {number}"))
            saved.append((one.version, one.content_hash))
        return saved

    with ThreadPoolExecutor(8) as pool:
        told = dict(pair for pairs in pool.map(work, range(8)) for pair in pairs)
    versions = read(database, service.list_versions, "people")
    assert {one.version: one.content_hash for one in versions} == told
    assert sorted(told) == list(range(1, 33))


def test_of_two_who_changed_the_same_version_one_hears_of_it(database):
    """With an expected version exactly one of many wins."""
    save(database, "people", people("begin"))

    def work(writer: int) -> bool:
        try:
            return save(database, "people", people(f"writer {writer}"), expected=1).new
        except Conflict:
            return False

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(work, range(6))) == 1
    assert read(database, service.get_info, "people").latest.version == 2


def test_the_largest_rule_set_fits_into_every_database(database):
    """100,000 keywords of 60 characters go in and out."""
    rules = tuple(Rule("/男", Kind.KEYWORD, Match.PARTIALLY, f"{number:060d}"[::-1]) for number in range(100_000))
    big = RuleSet("big", people().labels, rules)
    save(database, "big", big)
    assert read(database, service.find, "big").content_hash == big.content_hash


def test_the_migration_makes_the_tables_that_the_code_names(database):
    """Same columns, same keys; down and up again."""
    seen = sa.inspect(database.engine)
    for table in (rule_sets, rule_set_versions):
        assert {column["name"] for column in seen.get_columns(table.name)} == {column.name for column in table.c}
        nullable = {column["name"] for column in seen.get_columns(table.name) if column["nullable"]}
        assert nullable == {column.name for column in table.c if column.nullable}
        assert seen.get_pk_constraint(table.name)["constrained_columns"] == [column.name for column in table.primary_key]
    assert [key["column_names"] for key in seen.get_unique_constraints("rule_sets")] == [["name"]]
    save(database, "people", people("one"))
    migrate.downgrade(database.engine, "0002")
    assert not {rule_sets.name, rule_set_versions.name} & set(sa.inspect(database.engine).get_table_names())
    migrate.upgrade(database.engine)
    assert rule_sets.name in METADATA.tables
    assert read(database, service.list_rule_sets) == []
