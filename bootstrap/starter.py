"""The runbooks that come with the program."""

from __future__ import annotations

import asyncio
from importlib import resources

from adapters.markdown.documents import read_folder
from application.knowledge import ImportReport, KnowledgeService
from domain.knowledge import GLOBAL, Origin


async def import_starter_knowledge(knowledge: KnowledgeService) -> ImportReport:
    """Bring the starter runbooks into the global scope. What an administrator edited or deleted stays as it is."""
    with resources.as_file(resources.files("bootstrap").joinpath("knowledge")) as folder:
        sources, failed = await asyncio.to_thread(read_folder, folder)
    if failed:
        raise AssertionError(f"a starter runbook is malformed: {failed[0]}")
    return await knowledge.import_documents(None, GLOBAL, sources, origin=Origin.STARTER)
