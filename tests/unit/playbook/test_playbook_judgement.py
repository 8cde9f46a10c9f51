"""What evidence says: facts in it, and its stance on the causes of runbooks."""

from pathlib import Path

import pytest

from adapters.playbook.judgement import distinctive_words, judge, symptom_line
from adapters.playbook.observation import Observation, changes, first_error, places, spoken_times
from adapters.playbook.runbook import Point, Runbook, parse_runbook
from adapters.playbook.signals import MAX_STATEMENT, read_signals
from domain.evidence import EvidenceSourceType
from domain.hypothesis import EvidenceStance
from domain.problem import ProblemType, Severity, TemporalState, UrgencyLevel
from tests.builders import an_evidence
from tests.unit.application.world import GROUPS, KNOWLEDGE

STRONGLY, SUPPORTS, NEUTRAL, AGAINST, STRONGLY_AGAINST, IRRELEVANT = (
    EvidenceStance.STRONGLY_SUPPORTS,
    EvidenceStance.SUPPORTS,
    EvidenceStance.NEUTRAL,
    EvidenceStance.CONTRADICTS,
    EvidenceStance.STRONGLY_CONTRADICTS,
    EvidenceStance.IRRELEVANT,
)


def runbook(name: str) -> Runbook:
    return parse_runbook(name, (Path(KNOWLEDGE) / f"{name}.md").read_text())


def seen(text: str, *, report: bool = False) -> Observation:
    numbered = "\n".join(f"{number}: {line}" for number, line in enumerate(text.splitlines(), start=1))
    source = EvidenceSourceType.USER_REPORT if report else EvidenceSourceType.LOG_FILE
    return Observation.of(an_evidence(1, extract=numbered, source_type=source))


def stance(name: str, cause: str, text: str) -> EvidenceStance:
    book = runbook(name)
    (point,) = [item for item in book.causes if item.name == cause]
    return judge(point, book, seen(text)).stance


class TestStances:
    @pytest.mark.parametrize(
        ("name", "cause", "text", "expected"),
        [
            ("redis-maxmemory-evictions", "Policy noeviction on a cache", "evicted_keys:0", STRONGLY),
            ("redis-maxmemory-evictions", "Policy noeviction on a cache", "evicted_keys:81233", STRONGLY_AGAINST),
            ("redis-maxmemory-evictions", "Fragmentation", "mem_fragmentation_ratio:1.92", STRONGLY),
            ("redis-maxmemory-evictions", "Fragmentation", "mem_fragmentation_ratio:1.03", STRONGLY_AGAINST),
            ("redis-connections-exhausted", "Idle connections never closed", "timeout 0", STRONGLY),
            ("redis-connections-exhausted", "Idle connections never closed", "timeout 300", STRONGLY_AGAINST),
            ("kubernetes-pod-crash-looping", "Liveness probe too strict", "Exit Code: 137", STRONGLY),
            ("kubernetes-pod-crash-looping", "Liveness probe too strict", "Exit Code: 1", STRONGLY_AGAINST),
            ("kubernetes-pod-crash-looping", "Liveness probe too strict", "Liveness probe failed: HTTP 500", STRONGLY),
            ("postgresql-too-many-connections", "Leaked sessions", GROUPS, STRONGLY),
            ("postgresql-too-many-connections", "Slow statements hold the pool", GROUPS, AGAINST),
            ("postgresql-too-many-connections", "Leaked sessions", " idle | 40\n active | 60", NEUTRAL),
            ("postgresql-too-many-connections", "Slow statements hold the pool", "  91 active\n  3 idle", STRONGLY),
            ("postgresql-too-many-connections", "Leaked sessions", "FATAL:  sorry, too many clients already", NEUTRAL),
            ("postgresql-too-many-connections", "Leaked sessions", "nothing of that kind", IRRELEVANT),
            (
                "postgresql-too-many-connections",
                "Pools sum up beyond the limit",
                "deployment scaled from 8 to 24 replicas by a rolling release",
                SUPPORTS,
            ),
            (
                "postgresql-too-many-connections",
                "Reconnect storm",
                "there was no failover and no network cut",
                AGAINST,
            ),
        ],
    )
    def test_by_what_the_runbook_predicts(self, name: str, cause: str, text: str, expected: EvidenceStance) -> None:
        assert stance(name, cause, text) is expected

    def test_the_reason_quotes_the_line_and_its_number(self) -> None:
        book = runbook("redis-maxmemory-evictions")
        judgement = judge(book.causes[0], book, seen("used_memory:1\nevicted_keys:0"))
        assert "line 2: evicted_keys:0" in judgement.reasoning
        assert "predicts evicted_keys is 0" in judgement.reasoning

    def test_words_that_all_causes_share_point_at_none(self) -> None:
        book = runbook("postgresql-too-many-connections")
        for cause in book.causes:
            assert not distinctive_words(cause, book) & {"connection", "client", "session", "slot"}

    def test_half_of_the_words_test_the_cause_half(self) -> None:
        cause, other = Point("**Leak**: the heap of workers grows", "Leak"), Point("**Burst**: imports", "Burst")
        book = Runbook("T", causes=(cause, other))
        assert judge(cause, book, seen("the heap of workers grows")).completeness == 1.0
        assert judge(cause, book, seen("heap dump of workers")).completeness == 0.5

    def test_an_error_line_denies_nothing(self) -> None:
        cause = Point("**Heap**: workers lack heap memory", "Heap")
        book = Runbook("T", causes=(cause,))
        assert judge(cause, book, seen("ERROR not enough heap memory for workers")).stance is SUPPORTS
        assert judge(cause, book, seen("heap memory of workers is normal")).stance is AGAINST

    def test_a_no_confirms_that_something_is_missing(self) -> None:
        missing, pool = (
            Point("**Missing commit**: handlers return early", "Missing commit"),
            Point("**Pool**: too big", "Pool"),
        )
        book = Runbook("T", causes=(missing, pool))
        assert judge(missing, book, seen("handlers return without commit")).stance is SUPPORTS
        assert judge(pool, Runbook("T", causes=(pool,)), seen("the pool is not big")).stance is AGAINST
        assert judge(missing, book, seen("nothing wrong, but handlers return and miss the commit")).stance is SUPPORTS

    def test_a_kind_of_the_value_decides_nothing_about_the_value(self) -> None:
        text = "idle in transaction (aborted) | 11 | 00:00:00\nactive | 1 | 00:00:00"
        book = runbook("postgresql-too-many-connections")
        (leaked,) = [item for item in book.causes if item.name == "Leaked sessions"]
        assert judge(leaked, book, seen(text)).stance is IRRELEVANT
        assert stance("postgresql-too-many-connections", "Slow statements hold the pool", text) is AGAINST
        assert stance("postgresql-idle-in-transaction", "Missing commit on an error path", text) is STRONGLY
        assert stance("postgresql-idle-in-transaction", "Human at a prompt", text) is NEUTRAL


class TestSymptoms:
    def test_a_signature_is_found_whatever_its_numbers(self) -> None:
        book = runbook("redis-connections-exhausted")
        line = symptom_line(
            book, seen("all fine\nYou requested maxclients of 500 requiring at least 532 max file descriptors.")
        )
        assert line
        assert line.number == 2
        assert symptom_line(book, seen("max speed reached")) is None

    def test_without_signatures_the_description_has_to_do(self) -> None:
        book = Runbook("Pod crash looping", symptoms="the container restarts because the app dies")
        assert symptom_line(book, seen("ERROR container of app crash, pod restarts"))
        assert symptom_line(book, seen("INFO container of app crash, pod restarts")) is None


class TestFacts:
    def test_places_are_named_in_error_lines_and_by_people(self) -> None:
        log = seen("INFO host=quiet-1\nERROR pod/orders-7d9f8c6b5-x2x9k on 10.0.0.7:8080: app@shop failed")
        people = seen("All users of eu-west are affected", report=True)

        assert [fact.text for fact in places([log, people])] == [
            "orders-7d9f8c6b5-x2x9k",
            "app@shop",
            "10.0.0.7:8080",
            "All users",
        ]

    def test_the_earliest_error_of_known_zone_is_the_beginning(self) -> None:
        late = seen("2025-03-01 12:05:00 UTC ERROR b")
        early = seen("2025-03-01 11:59:00 INFO a\n2025-03-01T12:00:00+01:00 ERROR a")
        naive = seen("Mar  1 10:00:00 db ERROR c")

        found = first_error([late, early, naive])
        assert found
        assert found[1]
        assert found[1].hour == 11
        only_naive = first_error([naive])
        assert only_naive
        assert (only_naive[0].text, only_naive[1]) == ("Mar  1 10:00:00", None)
        assert first_error([seen("calm")]) is None

    def test_what_people_say_about_time_and_change(self) -> None:
        report = seen("It began at 11:58.\nNothing changed.", report=True)
        assert [fact.text for fact in spoken_times([report, seen("since 11:58")])] == ["began at 11:58"]
        assert [fact.text for fact in changes([report])] == ["Nothing changed"]

    def test_a_change_in_a_log_outweighs_that_nothing_was_changed(self) -> None:
        report, log = seen("no deployments", report=True), seen('parameter "max_connections" changed to "50"')
        assert [fact.line.number for fact in changes([report, log])] == [1]
        assert changes([log])[0].text.startswith("parameter")
        assert changes([seen("calm")]) == []

    def test_headings_and_folds_are_no_lines(self) -> None:
        evidence = an_evidence(1, extract="-- around --\n7: ERROR x\n-- 3 more like line 7, until line 10 --\nbare")
        assert [(line.number, line.text) for line in Observation.of(evidence).lines] == [(7, "ERROR x"), (None, "bare")]
        assert Observation.of(evidence).lines[1].quote() == "bare"


class TestSignals:
    @pytest.mark.parametrize(
        ("text", "kind", "severity", "urgency", "time"),
        [
            (
                "Production is down for all users right now",
                ProblemType.UNAVAILABILITY,
                Severity.CRITICAL,
                UrgencyLevel.CRITICAL,
                TemporalState.ONGOING,
            ),
            ("p99 latency is high", ProblemType.SLOWNESS, Severity.MEDIUM, UrgencyLevel.UNKNOWN, None),
            (
                "Orders failed yesterday in prod",
                ProblemType.ERROR,
                Severity.HIGH,
                UrgencyLevel.HIGH,
                TemporalState.HISTORICAL,
            ),
            ("the staging job fails", ProblemType.ERROR, Severity.LOW, UrgencyLevel.LOW, None),
            ("the table is corrupted", ProblemType.DATA_ISSUE, Severity.HIGH, UrgencyLevel.MEDIUM, None),
            (
                "The API answers with status 500",
                ProblemType.ERROR,
                Severity.HIGH,
                UrgencyLevel.MEDIUM,
                TemporalState.ONGOING,
            ),
            ("hello there", ProblemType.OTHER, Severity.UNKNOWN, UrgencyLevel.UNKNOWN, None),
        ],
    )
    def test_reading(
        self, text: str, kind: ProblemType, severity: Severity, urgency: UrgencyLevel, time: TemporalState | None
    ) -> None:
        signals = read_signals(text)
        assert (signals.problem_type, signals.severity, signals.urgency, signals.temporal_state) == (
            kind,
            severity,
            urgency,
            time,
        )

    @pytest.mark.parametrize(
        ("text", "statement"),
        [
            ("Hi. The shop runs on k8s. Pods are killed. Thanks!", "The shop runs on k8s. Pods are killed."),
            ("How do I fix this outage, the service is down", "How do I fix this outage, the service is down"),
            ("What is high latency?", None),
            ("Is replication lag normal?", None),
            ("Queries are slow.", "Queries are slow."),
            ("It broke yesterday? No idea.", None),
            ("", None),
        ],
    )
    def test_statement(self, text: str, statement: str | None) -> None:
        assert read_signals(text).statement == statement

    def test_a_statement_is_bounded(self) -> None:
        statement = read_signals(f"The database failed. {'It failed again and again and again. ' * 40}").statement
        assert statement
        assert len(statement) <= MAX_STATEMENT
        assert statement.endswith(".")
        assert len(read_signals("failed " * 200).statement or "") == MAX_STATEMENT
