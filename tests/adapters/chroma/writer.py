"""Writes vectors until it is killed, and prints ``child PID`` first and the number of each acknowledged record.

python -m tests.adapters.chroma.writer FOLDER FIRST
"""

import asyncio
import itertools
import sys
from pathlib import Path

from adapters.chroma.vectors import ChromaVectorStore
from tests.contract.vectors.data import SPACE, a_record, put


async def main(folder: Path, first: int) -> None:
    store = await ChromaVectorStore.open(folder, "knowledge", SPACE)
    print("child", store._process.pid, flush=True)  # noqa: T201
    for number in itertools.count(first):
        await put(store, a_record(number))
        print("record", number, flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
