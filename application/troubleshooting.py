"""The turn: what a user says and hands in, weighed with the knowledge, answered, and kept.

The order of a turn: files go to the blob store; decisions and evidence are tried on the case; knowledge is retrieved;
the model is asked; the domain decides what of its proposals counts; case and messages are saved together. If somebody
else changed the case meanwhile, only the last two are repeated. What can be made up for later, as indexing, comes last.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from application.authorization import authorize
from application.intake import Intake, Upload, report_in
from application.knowledge import KnowledgeService
from application.naming import name_after
from application.next_steps import open_decisions
from application.passages import retrieve
from application.retries import retry_conflicts
from application.turn_material import Draft, ProcessedFile, Turn, TurnRequest
from domain.access import Action, Actor
from domain.case import Case
from domain.claims import Refusal
from domain.errors import InvalidInput, TerminalCase
from domain.evidence import Evidence
from domain.message import MAX_CONTENT, Message
from domain.milestones import Milestone
from domain.status import CaseStatus
from domain.title import is_placeholder
from domain.turn import TurnInput, TurnResult, apply_turn
from ports.blobs import BlobStore
from ports.cases import CaseRepository
from ports.clock import Clock
from ports.errors import NotFound, PortError
from ports.ids import IdSource
from ports.language_model import ActionType, LanguageModel, ModelReply, Passage, SuggestedAction, TurnContext

__all__ = ["ProcessedFile", "TroubleshootingService", "TurnReply", "TurnRequest", "Upload"]

MAX_FILE_BYTES = 10 * 1024 * 1024
HISTORY = 20
"""How many of the latest messages the model is shown."""

UNREACHABLE = (
    "The assistant cannot be reached at the moment, so this turn has no analysis. "
    "What you wrote and handed in is kept. Please ask again in a while."
)
NO_KNOWLEDGE = "_The knowledge base could not be searched completely in this turn._"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TurnReply:
    """The answer to a turn and what came of it.

    ``case`` is as it was saved. ``degraded`` tells that the model or the knowledge could not be asked.
    """

    case: Case
    turn_number: int
    text: str
    message_id: str
    files: tuple[ProcessedFile, ...] = ()
    actions: tuple[SuggestedAction, ...] = ()
    milestones_completed: tuple[Milestone, ...] = ()
    progress_made: bool = False
    refused: tuple[Refusal, ...] = ()
    cited_documents: tuple[str, ...] = ()
    cited_evidence: tuple[str, ...] = ()
    degraded: bool = False


class TroubleshootingService:
    """Takes the turns of cases."""

    def __init__(
        self,
        *,
        cases: CaseRepository,
        blobs: BlobStore,
        knowledge: KnowledgeService,
        model: LanguageModel,
        clock: Clock,
        ids: IdSource,
        max_file_bytes: int = MAX_FILE_BYTES,
    ) -> None:
        """Works on these ports; a file of more than ``max_file_bytes`` is refused."""
        self._cases = cases
        self._knowledge = knowledge
        self._model = model
        self._clock = clock
        self._ids = ids
        self._intake = Intake(blobs=blobs, clock=clock, ids=ids, max_file_bytes=max_file_bytes)

    async def take_turn(self, actor: Actor, case_id: str, request: TurnRequest) -> TurnReply:
        """One turn of the case.

        If the model or the knowledge cannot be reached, the turn is kept all the same and the reply says so. On a
        finished case a question is answered and kept, but no turn is counted and nothing else changes.

        Raises:
            NotFound: there is no such case, or it belongs to somebody else.
            InvalidInput: the request is empty or too long.
            TerminalCase: the case is finished, and the request is more than a question.
            DomainError: a decision is not legal now; nothing has changed.
            UploadTooLarge, UnsupportedFile: a file is refused; nothing has changed.
            Conflict: others changed the case ten times in a row.
        """
        case = await self._get(actor, case_id)
        _check(request)
        turn = Turn(
            actor=actor,
            request=request,
            at=self._clock.now(),
            question_id=self._ids.new("msg"),
            answer_id=self._ids.new("msg"),
        )
        if case.status.is_terminal:
            return await self._answer(case, turn)
        turn.decided(case)
        turn.received = await self._intake.receive(case_id, request.uploads)
        try:
            reply = await self._advance(case, turn)
        except BaseException:
            await self._intake.discard(turn.received)
            raise
        kept = {file.file_id for file in reply.case.uploaded_files}
        await self._intake.discard(item for item in turn.received if item.file_id not in kept)
        return reply

    # ---------------------------------------------------------------- open cases

    async def _advance(self, case: Case, turn: Turn) -> TurnReply:
        await self._draft_evidence(case, turn)
        decided, evidence = turn.decided(case), turn.evidence(case)
        preview = decided.touched(
            turn.now(decided),
            uploaded_files=(*decided.uploaded_files, *turn.new_files(case)),
            evidence=(*decided.evidence, *evidence),
        )
        reply, degraded = await self._ask(preview, turn, evidence)
        saved, result, files = await self._save(case.case_id, turn, reply, degraded=degraded)
        added = tuple(item for item in saved.evidence if item.evidence_id in result.progress.evidence_added)
        shared = await self._share(saved, added)
        return TurnReply(
            case=saved,
            turn_number=result.progress.turn_number,
            text=reply.text,
            message_id=turn.answer_id,
            files=files,
            actions=(
                *open_decisions(saved),
                *(action for action in reply.actions if action.type is not ActionType.DECIDE),
            ),
            milestones_completed=result.progress.milestones_completed,
            progress_made=result.progress.progress_made,
            refused=result.refused,
            cited_documents=reply.cited_documents,
            cited_evidence=reply.cited_evidence,
            degraded=degraded or not shared,
        )

    async def _draft_evidence(self, case: Case, turn: Turn) -> None:
        """What the new files and the message say; when the investigation begins, also what came before."""
        turn.drafts = [Draft(self._ids.new("ev"), item.extract, item.file_id) for item in turn.received]
        if turn.decided(case).status is not CaseStatus.INVESTIGATING:
            return
        taken = {item.file_id for item in case.evidence}
        for file in case.uploaded_files:
            if file.file_id not in taken:
                found = await self._intake.read_again(file)
                turn.drafts.append(Draft(self._ids.new("ev"), found, file.file_id))
        said = turn.request.query
        if case.status is CaseStatus.CONSULTING:
            said = f"{turn.decided(case).description}\n{said}"
        if report := report_in(said):
            turn.drafts.append(Draft(self._ids.new("ev"), report))

    async def _save(
        self, case_id: str, turn: Turn, reply: ModelReply, *, degraded: bool
    ) -> tuple[Case, TurnResult, tuple[ProcessedFile, ...]]:
        async def attempt() -> tuple[Case, TurnResult, tuple[ProcessedFile, ...]]:
            async with self._cases.begin_transaction():
                case = await self._get(turn.actor, case_id)
                files = turn.files(case)
                result = apply_turn(
                    case,
                    TurnInput(
                        user_text=turn.request.query,
                        reply_text=reply.text,
                        at=turn.now(case),
                        by=turn.actor.user_id,
                        new_id=self._ids.new,
                        files=turn.new_files(case),
                        evidence=turn.evidence(case),
                        updates=reply.updates,
                        decisions=turn.request.decisions,
                    ),
                )
                await self._cases.save(_named(result.case))
                number = result.progress.turn_number
                saved = await self._append(
                    turn.question(case_id, number, files), self._reply_message(turn, case_id, number, reply, degraded)
                )
                return saved, result, files

        return await retry_conflicts(attempt)

    async def _share(self, case: Case, added: tuple[Evidence, ...]) -> bool:
        """Make what was learned searchable. False if that has to be made up for later."""
        try:
            if added:
                await self._knowledge.index_evidence(case, added)
            if case.status is CaseStatus.RESOLVED:
                await self._knowledge.learn_from(case)
        except PortError as error:
            if not error.retryable:
                raise
            _log.warning("knowledge of case %s was not indexed: %s", case.case_id, type(error).__name__)
            return False
        return True

    # ---------------------------------------------------------------- finished cases

    async def _answer(self, case: Case, turn: Turn) -> TurnReply:
        if turn.request.decisions or turn.request.uploads:
            raise TerminalCase(case.status)
        reply, degraded = await self._ask(case, turn, ())
        async with self._cases.begin_transaction():
            # Finished cases count no turns, so their messages carry on the numbers by themselves.
            number = 1 + max(case.current_turn, *(item.turn_number for item in await self._latest(case.case_id, 1)))
            saved = await self._append(
                turn.question(case.case_id, number), self._reply_message(turn, case.case_id, number, reply, degraded)
            )
        return TurnReply(
            case=saved,
            turn_number=number,
            text=reply.text,
            message_id=turn.answer_id,
            cited_documents=reply.cited_documents,
            cited_evidence=reply.cited_evidence,
            degraded=degraded,
        )

    # ---------------------------------------------------------------- both

    async def _get(self, actor: Actor, case_id: str) -> Case:
        case = await self._cases.get(case_id)
        if case is None:
            raise NotFound("case", case_id)
        authorize(actor, Action.WRITE, case, kind="case", key=case_id)
        return case

    async def _ask(self, case: Case, turn: Turn, new_evidence: tuple[Evidence, ...]) -> tuple[ModelReply, bool]:
        """The reply of the model, fit to be stored, and whether something was out of reach."""
        message = turn.request.query
        passages: tuple[Passage, ...] = ()
        try:
            passages, complete = await retrieve(self._knowledge, turn.actor, case, message, new_evidence)
        except PortError as error:
            if not error.retryable:
                raise
            _log.warning("knowledge was out of reach for case %s: %s", case.case_id, type(error).__name__)
            complete = False
        context = TurnContext(
            case=case,
            message=message,
            new_evidence=new_evidence,
            decisions=turn.request.decisions,
            passages=passages,
            history=await self._latest(case.case_id, HISTORY),
        )
        try:
            reply = await self._model.reply(context)
        except PortError as error:
            if not error.retryable:
                raise
            _log.warning("the model was out of reach for case %s: %s", case.case_id, type(error).__name__)
            return ModelReply(text=UNREACHABLE), True
        text = _storable(reply.text)
        if not complete:
            text = f"{text}\n\n{NO_KNOWLEDGE}"
        return ModelReply(text, reply.updates, reply.actions, reply.cited_documents, reply.cited_evidence), not complete

    async def _latest(self, case_id: str, number: int) -> tuple[Message, ...]:
        total = (await self._cases.get_messages(case_id, limit=0)).total
        page = await self._cases.get_messages(case_id, limit=number, offset=max(0, total - number))
        return page.items

    async def _append(self, *messages: Message) -> Case:
        for message in messages:
            await self._cases.add_message(message)
        case_id = messages[0].case_id
        saved = await self._cases.get(case_id)
        if saved is None:
            raise NotFound("case", case_id)
        return saved

    def _reply_message(self, turn: Turn, case_id: str, number: int, reply: ModelReply, degraded: bool) -> Message:
        return turn.answer(
            case_id,
            number,
            reply.text,
            self._clock.now(),
            {
                "model": self._model.name,
                "degraded": degraded,
                "cited_documents": " ".join(reply.cited_documents),
                "cited_evidence": " ".join(reply.cited_evidence),
            },
        )


def _check(request: TurnRequest) -> None:
    if not request.query.strip() and not request.uploads and not request.decisions:
        raise InvalidInput("A turn needs a message, a file or a decision.")
    if len(request.query) > MAX_CONTENT:
        raise InvalidInput(f"The message has {len(request.query)} characters; accepted are at most {MAX_CONTENT}.")


def _named(case: Case) -> Case:
    """The case with a title of its own, once there is something to name it after."""
    stated = case.consulting.proposed_problem_statement or case.description
    title = name_after(stated) if is_placeholder(case.title) and stated else None
    return case.rename(title, case.updated_at) if title else case


def _storable(text: str) -> str:
    """What a model wrote, as a message can hold it."""
    legal = text.encode("utf-8", "replace").decode().replace("\0", "")[: MAX_CONTENT - 200]
    return legal if legal.strip() else "I have nothing to add."
