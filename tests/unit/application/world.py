"""The services of cases and turns on in-memory adapters, with a clock and ids under control."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from pathlib import Path

from adapters.hashing.embeddings import HashingEmbedding
from adapters.markdown.documents import parse_document
from adapters.memory.blobs import InMemoryBlobStore
from adapters.memory.cases import InMemoryCaseRepository
from adapters.memory.knowledge import InMemoryKnowledgeRepository
from adapters.memory.vectors import InMemoryVectorStore
from adapters.playbook.model import PlaybookLanguageModel
from application.cases import CaseService
from application.knowledge import KnowledgeService
from application.reports import ReportService
from application.troubleshooting import TroubleshootingService, TurnReply, TurnRequest, Upload
from domain.access import Actor
from domain.case import Case
from domain.evidence import UploadSource
from domain.knowledge import GLOBAL
from domain.proposals import DecisionKind, UserDecision
from domain.user import Role
from ports.cases import CaseRepository
from ports.language_model import LanguageModel
from tests.fakes import FakeClock, SequentialIds

KNOWLEDGE = Path(__file__).parents[3] / "bootstrap" / "knowledge"
ADA = Actor(user_id="user_00000000000a", username="ada", roles=(Role.USER,))
BOB = Actor(user_id="user_00000000000b", username="bob", roles=(Role.USER,))

PROBLEM = "Checkout in production answers 500 since 11:58. The log of db-1 says: sorry, too many clients already."

LOG = "\n".join(
    (
        "2025-03-01 11:41:10.114 UTC [811] LOG:  received SIGHUP, reloading configuration files",
        "2025-03-01 11:52:00.001 UTC [813] LOG:  checkpoint complete: wrote 120 buffers (0.7%)",
        "2025-03-01 11:55:41.220 UTC [9120] app@shop LOG:  connection authorized: user=app application_name=checkout",
        *(
            f"2025-03-01 11:58:{second:02}.331 UTC [{9200 + second}] app@shop FATAL:  sorry, too many clients already"
            for second in range(60)
        ),
        "2025-03-01 12:00:01.000 UTC [9301] app@shop FATAL:  remaining connection slots are reserved for superusers",
    )
)
GROUPS = """ usename | application_name | client_addr | state  | count |    oldest
---------+------------------+-------------+--------+-------+--------------
 app     | checkout         | 10.0.3.17   | idle   |    88 | 02:11:09.123
 app     | checkout         | 10.0.3.18   | active |     5 | 00:00:01.02
 app     | worker           | 10.0.3.20   | idle   |     4 | 00:12:00
(3 rows)
"""


def upload(name: str, content: str | bytes, source: UploadSource = UploadSource.FILE_UPLOAD) -> Upload:
    """A file that arrives in pieces of a thousand bytes."""
    data = content.encode() if isinstance(content, str) else content

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 1000):
            yield data[start : start + 1000]

    return Upload(filename=name, content=pieces(), source=source)


def decide(kind: DecisionKind, **fields: object) -> UserDecision:
    """A decision of the user."""
    return UserDecision.model_validate({"kind": kind, **fields})


class World:
    """Everything that a turn needs."""

    def __init__(self, *, model: LanguageModel | None = None, cases: CaseRepository | None = None) -> None:
        self.clock = FakeClock()
        self.ids = SequentialIds()
        self.cases = cases or InMemoryCaseRepository()
        self.blobs = InMemoryBlobStore()
        self.documents = InMemoryKnowledgeRepository()
        embeddings = HashingEmbedding()
        self.knowledge = KnowledgeService(
            documents=self.documents,
            vectors=InMemoryVectorStore(embeddings.space),
            embeddings=embeddings,
            clock=self.clock,
            ids=self.ids,
        )
        self.case_service = CaseService(
            cases=self.cases, blobs=self.blobs, knowledge=self.knowledge, clock=self.clock, ids=self.ids
        )
        self.turns = TroubleshootingService(
            cases=self.cases,
            blobs=self.blobs,
            knowledge=self.knowledge,
            model=model or PlaybookLanguageModel(),
            clock=self.clock,
            ids=self.ids,
            max_file_bytes=100_000,
        )
        self.reports = ReportService(cases=self.cases, blobs=self.blobs, clock=self.clock, ids=self.ids)

    async def learn(self, *names: str) -> None:
        """Import starter runbooks by their file names."""
        sources = [parse_document((KNOWLEDGE / f"{name}.md").read_text(), name) for name in names]
        report = await self.knowledge.import_documents(None, GLOBAL, sources)
        assert report.added == len(names), report

    async def open(self, **fields: object) -> Case:
        """A case of Ada's."""
        return await self.case_service.open_case(ADA, **fields)  # type: ignore[arg-type]

    async def turn(
        self, case: Case, query: str = "", *decisions: UserDecision, files: Sequence[Upload] = ()
    ) -> TurnReply:
        """One more turn of Ada's, a minute later."""
        self.clock.advance(timedelta(minutes=1))
        return await self.turns.take_turn(ADA, case.case_id, TurnRequest(query, tuple(files), decisions))

    async def investigate(self, case: Case, *, files: Sequence[Upload] = ()) -> TurnReply:
        """Describe the problem, confirm it, and start the investigation."""
        await self.turn(case, PROBLEM, files=files)
        await self.turn(case, "Yes.", decide(DecisionKind.CONFIRM_STATEMENT))
        return await self.turn(case, "Start.", decide(DecisionKind.START_INVESTIGATION))

    async def solve(self, case: Case) -> TurnReply:
        """From the description to the end."""
        await self.investigate(case, files=[upload("postgresql.log", LOG)])
        found = await self.turn(case, "Here is the grouping.", files=[upload("activity.txt", GROUPS)])
        fix = next(item for item in found.case.solutions if not item.is_mitigation)
        await self.turn(case, "Done.", decide(DecisionKind.APPLY_SOLUTION, solution_id=fix.solution_id))
        return await self.turn(case, "It helped.", decide(DecisionKind.VERIFY_SOLUTION, solution_id=fix.solution_id))

    async def blob_keys(self) -> list[str]:
        """The keys of everything in the blob store."""
        return [blob.key for blob in await self.blobs.scan()]
