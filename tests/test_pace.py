"""How fast a read or a sync went: told beside the limit, and kept to what --max-rps says."""

from __future__ import annotations

from pathlib import Path

from connector.api.pace import Pace
from tests.command_line import Run


def test_a_pace_says_its_share_of_the_limit_and_what_was_waited_for_it() -> None:
    pace = Pace(requests=48, rows=4_800, seconds=2.0, limit_rps=25, waited_seconds=1.25)
    assert (
        str(pace) == "24.0 requests and 2,400 rows a second, 96% of the limit of 25, 1.2 s waited for it by all threads"
    )
    assert pace.is_telling


def test_of_less_than_a_second_no_pace_is_told() -> None:
    assert not Pace(requests=2, rows=200, seconds=0.2, limit_rps=25, waited_seconds=0).is_telling


def test_extract_keeps_to_max_rps_and_tells_its_pace(connector: Run) -> None:
    code, _, said = connector("extract", "charges", "--limit", "400", "--max-rps", "2", "--format", "csv")
    assert code == 0
    assert "of the limit of 2, " in said, said


def test_sync_keeps_to_max_rps_and_tells_its_pace(connector: Run, tmp_path: Path) -> None:
    config = tmp_path / "shop.toml"
    config.write_text(f'to = "duckdb:///{(tmp_path / "shop.duckdb").as_posix()}"\nendpoints = ["customers"]\n')
    code, _, said = connector("sync", str(config), "--max-rps", "4")
    assert code == 0, said
    assert "of the limit of 4, " in said, said
