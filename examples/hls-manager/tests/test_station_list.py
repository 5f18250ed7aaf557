"""Reading the list, and what follows from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from backend import row
from hls_manager.declaration import declare
from hls_manager.reconcile import Plan, plan
from hls_manager.settings import Settings
from hls_manager.station import Station
from hls_manager.station_list import StationList, read_rows

URL = "http://example.org/a"


def test_only_stations_for_hls_that_are_not_disabled() -> None:
    rows = [row("a", URL), row("b", URL, generate_hls_stream=False), row("c", URL, disabled=True)]
    rows += [row("d", URL, generate_hls_stream=None), row("e", URL, disabled=None, id=5)]
    assert read_rows(rows) == StationList({"a": Station(1, "a", "A", URL), "e": Station(5, "e", "E", URL)}, {})


@pytest.mark.parametrize(
    ("bad", "named"),
    [
        (row("Radio-X", URL), "slug: 'Radio-X'"),
        (row("-x", URL), "slug"),
        (row("x-", URL), "slug"),
        (row("a/../b", URL), "slug"),
        (row("x" * 65, URL), "slug"),
        (row("x\n", URL), "slug"),
        ({**row("x", URL), "slug": None}, "slug: None"),
        (row("x", URL, id="one"), "id: 'one'"),  # type: ignore[arg-type]
        (row("x", URL, id=True), "id: True"),
        (row("x", URL, title=7), "title: 7"),
        (row("x", "rtmp://example.org/a"), "stream_url: 'rtmp"),
        (row("x", "http://"), "stream_url"),
        (row("x", "http://a b/"), "stream_url"),
        (row("x", "http://a:99999/"), "stream_url"),
        (row("x", "file:///etc/passwd"), "stream_url"),
        (row("x", "http://a/\x00"), "stream_url"),
        ({**row("x", URL), "stream_url": None}, "stream_url: None"),
        (row("x", URL, disabled="no"), "disabled: 'no'"),
        ("x", "it is str"),
        (None, "it is NoneType"),
    ],
)
def test_a_bad_row_is_left_out_with_a_reason_and_others_go_on(bad: Any, named: str) -> None:
    wanted = read_rows([row("good", URL, id=2), bad, row("better", URL, id=3)])
    assert list(wanted.stations) == ["good", "better"]
    (why,) = wanted.refused.values()
    assert named in why and ("give" in why or "not an object" in why)


def test_single_characters_are_slugs_and_passwords_are_not_shown() -> None:
    assert list(read_rows([row("x", URL), row("7", URL, id=2)]).stations) == ["x", "7"]
    assert "hunter2" not in str(read_rows([row("x", "ftp://joe:hunter2@example.org/")]).refused)


def test_of_two_with_one_slug_the_lower_id_counts_in_any_order() -> None:
    rows = [row("x", "http://b/", id=9), row("x", "http://a/", id=4)]
    for given in (rows, rows[::-1]):
        wanted = read_rows(given)
        assert wanted.stations["x"].id == 4
        assert wanted.refused == {"x (id 9)": "the slug belongs to the station with id 4 already"}


def test_titles_are_made_one_printable_line() -> None:
    rows = [row("a", URL, title=" A\n\x1b[31mB "), row("b", URL, title="", id=2), row("c", URL, title="x" * 999, id=3)]
    titles = [station.title for station in read_rows(rows).stations.values()]
    assert titles == ["A [31mB", "b", "x" * 200]


def test_the_environment_is_not_read_by_what_others_write() -> None:
    station = Station(1, "x", "${GRAPHQL_TOKEN}", "http://example.org/${GRAPHQL_TOKEN}")
    said = declare(station, Path("/x"), Settings.from_environment({}))
    assert said["station"]["name"] == "$${GRAPHQL_TOKEN}" and "/$${GRAPHQL_TOKEN}" in said["inputs"][0]["url"]


def listed(*stations: Station, refused: tuple[str, ...] = ()) -> StationList:
    return StationList({station.slug: station for station in stations}, {name: "bad" for name in refused})


def test_the_plan_is_the_difference() -> None:
    a, b, c = (Station(number, slug, slug, f"http://{slug}/") for number, slug in enumerate("abc"))
    on_air = {"a": a, "b": b}
    assert plan({}, listed(b, a)) == Plan(start=(a, b))
    assert not plan(on_air, listed(b, a))
    assert plan(on_air, listed(a, c)) == Plan(start=(c,), stop=(b,))
    moved, titled = Station(0, "a", "A", "http://new/"), Station(1, "b", "Other", "http://b/")
    assert plan(on_air, listed(moved, titled)) == Plan(move=(moved,), note=(titled,))
    # What has fallen is started anew, or stopped; what is told of it otherwise comes with that.
    assert plan(on_air, listed(moved, b), {"a"}) == Plan(start=(moved,))
    assert plan(on_air, listed(b), {"a"}) == Plan(stop=(a,))
    # A row that cannot be read just now changes nothing; nor does an id.
    assert not plan(on_air, listed(a, refused=("b",)))
    assert plan(on_air, listed(Station(7, "a", "a", "http://a/"), b)).note[0].id == 7
