"""One log for the whole process: JSON lines, or readable text on a terminal."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from bootstrap.settings import Settings

_OF_EVERY_RECORD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """Writes one JSON object a record: the message as ``event``, what is given as ``extra``, and the time in UTC.

    Whatever is no JSON is written as its `repr`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter`."""
        line: dict[Any, Any] = {
            "event": record.getMessage(),
            "level": record.levelname.lower(),
            "logger": record.name,
            **{name: value for name, value in vars(record).items() if name not in _OF_EVERY_RECORD},
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat().replace("+00:00", "Z"),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        try:
            return orjson.dumps(line, default=repr).decode()
        except TypeError:
            # It refuses lone surrogates, long integers and keys that are no texts.
            return json.dumps(line, default=repr)


def configure_logging(settings: Settings) -> None:
    """Send every record of the process to standard error in the format that the settings ask for."""
    as_json = settings.log_format == "json" or (settings.log_format == "auto" and not sys.stderr.isatty())
    _leave_out_what_no_line_shows()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else _readable())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    # The web server writes one line for each step of its own life; the start and the end are told by this process.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.access").disabled = True
    # The adapters tell what matters of the requests that they make.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    # It lists its own parts at every import.
    logging.getLogger("alembic.runtime.plugins").setLevel(logging.WARNING)


def _readable() -> logging.Formatter:
    import structlog

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            # The other way to write a traceback shows the values of all variables, secrets among them.
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
    )


def _leave_out_what_no_line_shows() -> None:
    """A fifth of the time of a line goes into it; how to do without stands in the logging HOWTO of Python."""
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001 - the documented way
