"""Whether anything has changed since somebody looked, also where the clock of files is coarse."""

import os
from pathlib import Path

from labelmend_core.ledger import change_stamp, open_engine


def test_two_commits_at_one_time_of_the_clock_of_files_have_two_stamps(sqlite_database: Path) -> None:
    engine = open_engine(sqlite_database)
    with engine.connect() as connection:  # the log of SQLite stays while somebody is there
        log = Path(f"{sqlite_database}-wal")
        stamps = []
        for _ in range(2):
            with engine.begin() as writing:
                writing.exec_driver_sql("CREATE TABLE IF NOT EXISTS padding (a)")
                writing.exec_driver_sql("INSERT INTO padding VALUES (1)")
            for file in (sqlite_database, log):
                os.utime(file, ns=(0, 0))
            stamps.append(change_stamp(engine))
        connection.rollback()
    engine.dispose()
    assert stamps[0] != stamps[1]
