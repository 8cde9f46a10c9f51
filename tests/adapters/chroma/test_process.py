"""The child process: it belongs to its parent, dies without loss, and is started again."""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from adapters.chroma import process as process_module
from adapters.chroma.vectors import ChromaVectorStore
from domain.errors import InvalidInput
from ports.capabilities import SupportsHealth
from ports.errors import OutcomeUnknown, StorageFull, StorageUnavailable
from ports.vectors import EmbeddingSpace
from tests.adapters.chroma.conftest import COLLECTION, Open, child_of
from tests.contract.vectors.data import DIMENSION, SPACE, a_record, a_vector, clusters, everything, ids, put, put_matrix
from tests.stateful.profiles import NIGHTLY

pytestmark = [pytest.mark.chroma, pytest.mark.asyncio(loop_scope="module")]


async def wait_for_restart(store: ChromaVectorStore) -> None:
    """Ask until the engine answers again; it is started at most once a second."""
    async with asyncio.timeout(60):
        while True:
            with suppress(StorageUnavailable):
                await store.count()
                return
            await asyncio.sleep(0.1)


async def test_killed_child(open_folder: Open) -> None:
    """A pending read can be repeated, the outcome of a pending write is unknown, and nothing acknowledged is lost."""
    store = await open_folder()
    await put(store, *(a_record(number) for number in range(50)))
    child = child_of(store)
    child.suspend()
    read = asyncio.ensure_future(store.count())
    write = asyncio.ensure_future(put(store, a_record(99)))
    await asyncio.sleep(0.05)
    child.kill()
    with pytest.raises(StorageUnavailable):
        await read
    with pytest.raises(OutcomeUnknown):
        await write
    await wait_for_restart(store)
    assert child_of(store).pid != child.pid
    assert (await everything(store))[:50] == [a_record(number) for number in range(50)]
    await put(store, a_record(99))
    assert await store.count() == 51


async def test_restart_is_not_hurried(open_folder: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that dies at once is not started over and over."""
    store = await open_folder()
    monkeypatch.setattr(process_module, "RESTART_PAUSE_SECONDS", 3600.0)
    child_of(store).kill()
    for _ in range(3):
        with pytest.raises(StorageUnavailable):
            await store.count()
    with pytest.raises(StorageUnavailable):
        await put(store, a_record(1))
    assert isinstance(store, SupportsHealth)
    with pytest.raises(StorageUnavailable):
        await store.check_health()
    monkeypatch.setattr(process_module, "RESTART_PAUSE_SECONDS", 0.0)
    await store.check_health()


async def test_killed_in_the_middle_of_upserts(open_folder: Open) -> None:
    """Ten times; every acknowledged record is there afterwards."""
    store = await open_folder()
    acknowledged: set[int] = set()
    progress: asyncio.Queue[int] = asyncio.Queue()
    number = 0

    async def write() -> None:
        nonlocal number
        with suppress(OutcomeUnknown, StorageUnavailable):
            while True:
                number += 1
                await put(store, a_record(number))
                acknowledged.add(number)
                progress.put_nowait(number)

    kills = 10 if NIGHTLY else 4
    for kill in range(kills):
        writing = asyncio.ensure_future(write())
        for _ in range(3 + 2 * kill):
            await progress.get()
        child_of(store).kill()
        await writing
        await wait_for_restart(store)
    stored = {record.id: record for record in await everything(store)}
    assert len(acknowledged) >= kills * 3
    assert [number for number in acknowledged if stored.get(a_record(number).id) != a_record(number)] == []
    assert await store.count() == len(stored)


async def test_child_ends_with_its_parent(tmp_path: Path, open_folder: Open) -> None:
    """A parent that is killed leaves neither a process nor a locked folder, and nothing acknowledged is lost."""
    command = [sys.executable, "-m", "tests.adapters.chroma.writer", str(tmp_path / "folder"), "1000"]
    acknowledged: list[int] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:  # noqa: ASYNC220
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline().split()[1]))
        acknowledged += (int(parent.stdout.readline().split()[1]) for _ in range(10))
        parent.kill()
        acknowledged += (int(line.split()[1]) for line in parent.stdout if line.endswith("\n"))
    psutil.wait_procs([child], timeout=2)
    # Whoever inherits the child may take its time to collect it.
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    store = await open_folder()
    assert len(await store.get([a_record(number).id for number in acknowledged])) == len(acknowledged) >= 10


async def test_signals_leave_the_child_to_its_parent(open_folder: Open) -> None:
    """Ctrl-C reaches a whole process group, and a service manager terminates all processes: the child goes on."""
    store = await open_folder()
    child = child_of(store)
    assert os.getpgid(child.pid) != os.getpgid(0)
    child.send_signal(signal.SIGTERM)
    await put(store, a_record(1))
    assert await store.count() == 1
    assert child_of(store) == child


async def test_another_space_is_refused(open_folder: Open) -> None:
    """A collection that was filled from another model is not opened; the message names both."""
    store = await open_folder()
    await put(store, a_record(1))
    await store.aclose()
    for other in (EmbeddingSpace("other-model", DIMENSION), EmbeddingSpace(SPACE.model_id, 1024)):
        with pytest.raises(InvalidInput) as refusal:
            await open_folder(other)
        for name in (SPACE.model_id, str(DIMENSION), other.model_id, str(other.dimension)):
            assert name in str(refusal.value)
    again = await open_folder()
    assert await again.count() == 1
    await again.aclose()
    beside = await open_folder(EmbeddingSpace("other-model", 7), collection="another")
    assert await beside.count() == 0


@pytest.mark.quirk("Chroma", "two processes on one folder damage it or read old data")
async def test_folder_in_use(tmp_path: Path, open_folder: Open) -> None:
    """A second store on the folder is refused and told by whom; the first one is not disturbed."""
    store = await open_folder()
    with pytest.raises(StorageUnavailable, match=f"in use by process {os.getpid()};"):
        await ChromaVectorStore.open(tmp_path / "folder", COLLECTION, SPACE)
    await put(store, a_record(1))
    await store.aclose()
    assert await (await open_folder()).count() == 1


async def test_nothing_is_imported_from_the_current_folder(
    tmp_path: Path, open_folder: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder with the name of a package of ours stands where the server is started."""
    package = tmp_path / "adapters"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('imported from the current folder')")
    monkeypatch.chdir(tmp_path)
    assert await (await open_folder()).count() == 0


async def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """The message names the folder."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailable, match=r"file/folder cannot be used"):
        await ChromaVectorStore.open(tmp_path / "file" / "folder", COLLECTION, SPACE)


async def test_damaged_folder(tmp_path: Path) -> None:
    """A file that is no database of Chroma is an error of the store, and leaves no process."""
    (tmp_path / "chroma.sqlite3").write_bytes(b"no database" * 1000)
    with pytest.raises(StorageUnavailable, match="engine failed"):
        await ChromaVectorStore.open(tmp_path, COLLECTION, SPACE)
    assert engines() == []


def engines() -> list[psutil.Process]:
    """The child processes of this one that run an engine; others are servers of other tests."""
    return [child for child in psutil.Process().children() if "adapters.chroma.worker" in child.cmdline()]


async def test_engine_that_does_not_start_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for it for ever, and it does not stay behind."""
    monkeypatch.setattr(process_module, "STARTING_SECONDS", 0.05)
    with pytest.raises(StorageUnavailable, match="did not start within"):
        await ChromaVectorStore.open(tmp_path / "folder", COLLECTION, SPACE)
    assert engines() == []


async def test_engine_that_does_not_end_in_time(open_folder: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed."""
    monkeypatch.setattr(process_module, "STOPPING_SECONDS", 0.05)
    store = await open_folder()
    child = child_of(store)
    child.suspend()
    await store.aclose()
    assert not child.is_running()


async def test_started_ahead(open_folder: Open) -> None:
    """The first store of the block takes the process that waits, the next one has to start its own."""
    async with process_module.started_ahead():
        (waiting,) = engines()
        store = await open_folder()
        assert child_of(store) == waiting
        await put(store, a_record(1))
        await store.aclose()
        again = await open_folder()
        assert child_of(again) != waiting
        assert await again.count() == 1
    assert await again.count() == 1


async def test_started_ahead_for_nothing(open_folder: Open) -> None:
    """A process that nobody took ends with the block, and is given to nobody."""
    async with process_module.started_ahead():
        assert len(engines()) == 1
    assert engines() == []
    assert await (await open_folder()).count() == 0


async def test_full_disk_is_told() -> None:
    """The kind of a refusal survives the way between the processes."""
    assert isinstance(process_module._error("full", "no space"), StorageFull)


async def test_close_while_working(open_folder: Open) -> None:
    """What was sent before is answered, or refused; nothing waits for ever."""
    store = await open_folder()
    matrix = clusters(seed=1, groups=10, size=100)
    calls = [asyncio.ensure_future(call) for call in (put_matrix(store, matrix), store.count(), store.scan())]
    await asyncio.sleep(0.05)
    await store.aclose()
    async with asyncio.timeout(10):
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert all(not isinstance(result, Exception) or isinstance(result, StorageUnavailable) for result in results)


async def test_no_open_files_are_left(open_folder: Open) -> None:
    """Opening and closing leaves the number of open files as it was."""
    await (await open_folder()).aclose()
    before = psutil.Process().num_fds()
    for _ in range(2):
        await (await open_folder()).aclose()
    assert psutil.Process().num_fds() <= before


async def test_restart_finds_the_index(open_folder: Open) -> None:
    """The first query after a restart is as good as the last one before."""
    store = await open_folder()
    matrix = clusters(seed=2, groups=30, size=50)
    await put_matrix(store, matrix)
    before = [ids(await store.query(row, 10)) for row in matrix[:10].tolist()]
    await store.aclose()
    again = await open_folder()
    assert [ids(await again.query(row, 10)) for row in matrix[:10].tolist()] == before
    assert len(await again.query(a_vector(1.0), 1000)) == 1000


async def test_checkpoint_survives_a_killed_child(open_folder: Open) -> None:
    """So does what the collection says of its embedding space, to which a checkpoint gets nowhere near."""
    store = await open_folder()
    for number in range(3):
        await put(store, a_record(number))
        await store.write_checkpoint("copy", f"written: {number}")
        child_of(store).kill()
        await wait_for_restart(store)
        assert await store.read_checkpoint("copy") == f"written: {number}"
        assert await everything(store) == [a_record(each) for each in range(number + 1)]
    await store.aclose()
    with pytest.raises(InvalidInput, match=f"{SPACE.model_id} with {DIMENSION}"):
        await open_folder(EmbeddingSpace("other", DIMENSION))


async def test_collections_of_one_folder_have_checkpoints_of_their_own(open_folder: Open, tmp_path: Path) -> None:
    store = await open_folder()
    assert store.location == f"chromadb:{tmp_path / 'folder'}#{COLLECTION}"
    await store.write_checkpoint("copy", "mine")
    await store.aclose()
    other = await open_folder(collection="another")
    assert other.location != store.location
    assert await other.read_checkpoint("copy") is None
