"""The data folder has one holder."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from bootstrap.data_folder import held, holder_of
from bootstrap.errors import DataFolderInUse, DataFolderUnusable

HOLD = """
import sys
from pathlib import Path
from bootstrap.data_folder import held

with held(Path(sys.argv[1]), "a test"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_second_process_is_refused_and_told_the_holder(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(DataFolderInUse, match=rf"in use by process {holder.pid} \(a test, since "),
            held(tmp_path, "x"),
        ):
            pass
        holder.kill()
    with held(tmp_path, "after the kill"):
        assert f"process {os.getpid()} (after the kill" in holder_of(tmp_path)


def test_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with held(folder, "test"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_folder_that_cannot_be_made_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFolderUnusable, match="set FAULTMAVEN_DATA_DIR"), held(tmp_path / "file" / "data", "test"):
        pass


def test_unreadable_holder_is_still_described(tmp_path: Path) -> None:
    (tmp_path / "holder.json").write_text("{")
    assert holder_of(tmp_path) == "another process"
