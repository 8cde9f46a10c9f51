"""What is read out of files: their kind, their encoding, the lines that matter, and the facts in a sentence."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.decoding import read_lines
from application.errors import UnsupportedFile
from application.evidence import DataType, classify, extract, extract_text
from application.excerpt import BUDGET, MAX_SUMMARY, mask_secrets
from application.intake import report_in
from application.log_scan import MAX_SCENE, Level, level_of, scan
from application.table_scan import scan_table, sniff_delimiter
from application.timestamps import find_timestamp, parse_timestamp
from domain.evidence import MAX_EXTRACT, EvidenceSourceType
from tests.unit.application.world import GROUPS, LOG

CSV = "time,cpu,errors\n" + "\n".join(f"2025-03-01T12:{minute:02}:00Z,{minute * 1.5},0" for minute in range(60))
TRACE = """2025-03-01 12:00:00 INFO starting
2025-03-01 12:00:01 ERROR Unhandled exception
Traceback (most recent call last):
  File "app.py", line 10, in <module>
    main()
""" + "".join(f"  File 'deep.py', line {number}\n" for number in range(40))


class TestClassify:
    @pytest.mark.parametrize(
        ("name", "content", "expected"),
        [
            ("app.log", "anything", DataType.LOG),
            ("notes.md", "# Notes", DataType.TEXT),
            ("app.yaml", "a: 1", DataType.CONFIG),
            ("main.py", "import os", DataType.CODE),
            ("series.csv", CSV, DataType.METRIC),
            ("people.csv", "name,age\nx,3\ny,4", DataType.STRUCTURED),
            ("data.json", '{"a": [1, 2]}', DataType.STRUCTURED),
            ("log.json", '{"level": "error"}\n{"level": "info"}', DataType.LOG),
            ("a.txt", LOG, DataType.LOG),
            ("a.txt", "max_connections = 100\nshared_buffers = 1GB\nport = 5432", DataType.CONFIG),
            ("a.txt", '# HELP up x\n# TYPE up gauge\nup 1\nhttp_total{code="500"} 12', DataType.METRIC),
            ("a.txt", CSV, DataType.METRIC),
            ("a.txt", "ERROR a\nERROR b\nall fine", DataType.LOG),
            ("a.txt", "Dear all,\nthe shop is closed.", DataType.TEXT),
            ("a.txt", "", DataType.TEXT),
        ],
    )
    def test_by_name_and_by_content(self, name: str, content: str, expected: DataType) -> None:
        assert classify(name, content.encode()) is expected

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"\x89PNG....", "PNG"),
            (b"%PDF-1.7", "PDF"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"PK\x03\x04", "ZIP"),
            (b"a\0b\0\0c", "binary"),
            (bytes(range(1, 9)) * 20, "binary"),
        ],
    )
    def test_what_is_not_text_is_refused_in_words(self, content: bytes, words: str) -> None:
        with pytest.raises(UnsupportedFile, match=words):
            classify("file.bin", content)


class TestDecoding:
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
    def test_encodings(self, encoding: str) -> None:
        text = "Größe: 5 µm\r\nAPI failed"
        assert list(read_lines("a.txt", text.encode(encoding))) == ["Größe: 5 µm", "API failed"]

    def test_a_character_cut_at_the_end_of_the_head_is_no_other_encoding(self) -> None:
        text = "x" * 8191 + "é" + "\nend"
        assert list(read_lines("a.txt", text.encode()))[1] == "end"

    def test_damage_is_shown_and_long_lines_are_cut(self) -> None:
        content = b"fine " * 2000 + b"\nbroken \xff\xff \0 line"
        first, second = read_lines("a.txt", content)
        assert len(first) == 4000
        assert second == "broken \ufffd\ufffd \ufffd line"

    @given(st.binary(max_size=300))
    def test_whatever_arrives_is_read_or_refused(self, content: bytes) -> None:
        try:
            found = extract("a.txt", content)
        except UnsupportedFile:
            return
        assert len(found.summary) <= MAX_SUMMARY
        assert "\0" not in found.text
        found.text.encode()


class TestLevels:
    @pytest.mark.parametrize(
        ("line", "level"),
        [
            ("FATAL:  sorry, too many clients already", Level.FATAL),
            ("kernel: Out of memory: Killed process 12", Level.FATAL),
            ("E0301 12:00:00.000 1 controller.go:1] sync", Level.ERROR),
            ("F0301 12:00:00.000 1 main.go:1] bye", Level.FATAL),
            ('10.0.0.1 - - "GET / HTTP/1.1" 502 157', Level.ERROR),
            ('{"level":"error","msg":"boom"}', Level.ERROR),
            ("java.lang.IllegalStateException: no", Level.ERROR),
            ("connect() failed (111: Connection refused)", Level.ERROR),
            ("WARN low disk", Level.WARNING),
            ("finished with 0 errors", Level.NONE),
            ("errors=0 failed=0", Level.NONE),
            ("no errors found", Level.NONE),
            ('level=info msg="retry after timeout"', Level.NONE),
            ("GET /index.html 200", Level.NONE),
            ("a terrific day", Level.NONE),
        ],
    )
    def test_by_the_words(self, line: str, level: Level) -> None:
        assert level_of(line) is level


class TestTimes:
    @pytest.mark.parametrize(
        ("line", "found", "iso"),
        [
            ("2025-03-01T12:00:01.123Z x", "2025-03-01T12:00:01Z", "2025-03-01T12:00:01+00:00"),
            ("2025-03-01 12:00:01,5 UTC x", "2025-03-01 12:00:01 UTC", "2025-03-01T12:00:01+00:00"),
            ("at 2025-03-01 12:00:01+02:00", "2025-03-01 12:00:01+02:00", "2025-03-01T10:00:01+00:00"),
            ("[01/Mar/2025:12:00:01 +0100]", "01/Mar/2025:12:00:01 +0100", "2025-03-01T11:00:01+00:00"),
            ("2025/03/01 12:00:01 [error]", "2025/03/01 12:00:01", None),
            ("Mar  1 12:00:01 db-1 kernel", "Mar  1 12:00:01", None),
            ("[12:00:01] started", "12:00:01", None),
            ("oldest 02:11:09", None, None),
            ("9999-12-31 23:59:59-0100", "9999-12-31 23:59:59-0100", None),
            ("nothing", None, None),
        ],
    )
    def test_as_written_and_as_an_instant(self, line: str, found: str | None, iso: str | None) -> None:
        text = find_timestamp(line)
        assert text == found
        instant = parse_timestamp(text) if text else None
        assert (instant.isoformat() if instant else None) == iso


class TestLogs:
    def test_a_short_log_is_kept_whole_with_line_numbers_and_repeats_folded(self) -> None:
        found = extract("postgresql.log", LOG.encode())

        assert found.method == "verbatim"
        assert found.source_type is EvidenceSourceType.LOG_FILE
        rows = found.text.splitlines()
        assert rows[0].startswith("1: 2025-03-01 11:41:10.114 UTC")
        assert "-- 59 more like line 4, until line 63 --" in rows
        assert rows[-1].startswith("64: ")
        assert found.summary.startswith(
            "postgresql.log: 64 lines, 2025-03-01 11:41:10 UTC to 2025-03-01 12:00:01 UTC; 61 errors (61 fatal)."
        )
        assert "First error in line 4" in found.summary
        assert "60 times" in found.summary
        assert 0 < found.compression_ratio < 1

    def test_a_long_log_is_cut_to_the_scenes_of_its_errors(self) -> None:
        lines = [f"2025-03-01 12:00:{number % 60:02} INFO request {number} done" for number in range(5000)]
        lines[1000] = "2025-03-01 12:16:40 ERROR upstream timed out"
        lines[3000] = "2025-03-01 12:50:00 FATAL out of memory"
        lines[4000] = "2025-03-01 12:55:00 WARN slow"

        found = extract("app.log", "\n".join(lines).encode())

        assert found.method == "error_windows"
        assert len(found.text) <= BUDGET + 200 < MAX_EXTRACT
        for expected in ("993: ", "1001: ", "1017: ", "2993: ", "3001: ", "3017: ", "4999: ", "5000: "):
            assert f"\n{expected}" in found.text
        assert "\n500: " not in found.text
        assert found.text.index("3001: ") < found.text.index("1001: ")
        assert "5,000 lines" in found.summary
        assert "2 errors (1 fatal), 1 warning" in found.summary

    def test_a_long_text_without_errors_shows_both_ends(self) -> None:
        found = extract("notes.log", "\n".join(f"line {number}" for number in range(1000)).encode())

        assert found.method == "head_and_tail"
        assert found.text.startswith("-- the beginning --\n1: line 0")
        assert found.text.endswith("1000: line 999")
        assert "no errors" in found.summary

    def test_a_stack_trace_stays_together(self) -> None:
        filler = "".join(f"2025-03-01 12:00:02 INFO calm {number}\n" for number in range(600))
        text = extract("app.log", (TRACE + filler).encode()).text

        assert all(f"deep.py', line {number}\n" in text for number in range(40))
        assert "calm 15" in text
        assert "calm 100\n" not in text

    def test_a_trace_without_end_is_bounded(self) -> None:
        found = scan(["ERROR boom", *(f"  at frame {number}" for number in range(10_000))], head=10)
        assert len(found.first_scene) == MAX_SCENE

    def test_the_memory_of_templates_is_bounded(self) -> None:
        found = scan((f"ERROR in {'x' * number}" for number in range(1, 3000)), head=10)
        assert len(found.repeated) == 2000
        assert found.errors == 2999

    def test_an_extract_never_passes_its_budget(self) -> None:
        lines = [f"ERROR {'y' * 500} {chr(97 + number % 26) * (number % 97)}" for number in range(2000)]
        text = extract("app.log", "\n".join(lines).encode()).text
        assert len(text) <= BUDGET + 200
        assert "-- cut here --" in text


class TestOtherKinds:
    def test_a_table_tells_its_ranges_and_peaks(self) -> None:
        found = extract("cpu.csv", f"{CSV}\n2025-03-01T13:00:00Z,bad,1\n2025-03-01T13:01:00Z,3,0,timeout".encode())

        assert found.data_type is DataType.METRIC
        assert found.source_type is EvidenceSourceType.METRICS_DATA
        assert found.summary.startswith("62 rows, columns time, cpu, errors; 2025-03-01T12:00:00Z to")
        assert "cpu: 0 to 88.5 (line 61), last 3" in found.summary
        assert "61: highest cpu = 88.5" in found.text
        assert "63: 2025-03-01T13:01:00Z,3,0,timeout" in found.text

    def test_tables_are_recognised_by_their_delimiter(self) -> None:
        assert sniff_delimiter(["a;b", "1;2"]) == ";"
        assert sniff_delimiter(["a\tb", "1\t2"]) == "\t"
        assert sniff_delimiter(["a,b"]) == ""
        assert scan_table(["x"], "").rows == 0
        assert not scan_table(["name,age", "x,nan"], ",").columns

    def test_json_in_one_line_becomes_lines(self) -> None:
        document = {"items": [{"status": "error", "reason": "disk pressure", "n": number} for number in range(50)]}

        found = extract("events.json", json.dumps(document).encode())

        assert found.data_type is DataType.STRUCTURED
        assert '4:    "status": "error",' in found.text
        assert "50 errors" in found.summary

    @pytest.mark.parametrize("content", ["[" * 3000, '{"a": ' + "x" * 1000])
    def test_json_that_cannot_be_parsed_is_text(self, content: str) -> None:
        assert extract("broken.json", content.encode()).text.startswith("1: ")

    def test_output_of_a_command_is_recognised(self) -> None:
        assert extract("a.txt", GROUPS.encode()).source_type is EvidenceSourceType.COMMAND_OUTPUT
        assert extract_text("$ df -h\n/dev/sda1 100%\n").source_type is EvidenceSourceType.COMMAND_OUTPUT

    def test_secrets_do_not_reach_the_extract(self) -> None:
        text = "password=hunter2\napi_key: 'abc123'\nurl=postgres://app:s3cret@db/x\nAuth: Bearer abcdefghijkl.mnop\n"
        found = extract("app.env", text.encode()).text
        for secret in ("hunter2", "abc123", "s3cret", "abcdefghijkl"):
            assert secret not in found
        assert "password=***" in found
        assert "postgres://app:***@db/x" in found
        assert mask_secrets("unexpected token: <") == "unexpected token: <"


class TestMessages:
    @pytest.mark.parametrize(
        ("text", "source"),
        [
            ("It began at 11:58.", EvidenceSourceType.USER_REPORT),
            ("We deployed checkout yesterday. Hm.", EvidenceSourceType.USER_REPORT),
            ("Latency is 900 ms and only customers in eu are hit", EvidenceSourceType.USER_REPORT),
            ("nothing changed", EvidenceSourceType.USER_REPORT),
            (GROUPS, EvidenceSourceType.COMMAND_OUTPUT),
            (LOG, EvidenceSourceType.COMMAND_OUTPUT),
        ],
    )
    def test_facts_and_output_are_evidence(self, text: str, source: EvidenceSourceType) -> None:
        found = report_in(text)
        assert found
        assert found.source_type is source
        assert len(found.summary) <= MAX_SUMMARY

    @pytest.mark.parametrize(
        "text", ["", "  ", "Thanks!", "What is next?", "Did it start at 11:58?", "one\ntwo\nthree"]
    )
    def test_talk_is_none(self, text: str) -> None:
        assert report_in(text) is None

    def test_a_long_report_is_summarised(self) -> None:
        found = report_in("It began at 11:58 " + "and went on " * 100)
        assert found
        assert len(found.summary) == MAX_SUMMARY
        assert found.summary.endswith("…")
