"""The console script ``faultmaven``: whatever goes wrong ends in a message and an exit code, never in a trace."""

from __future__ import annotations

import sys

from pydantic import ValidationError

from adapters.cli.app import create_cli
from application.errors import ApplicationError
from bootstrap.errors import StartError
from bootstrap.runtime import ProcessRuntime
from domain.errors import DomainError
from ports.errors import PortError

EXIT_FAILURE = 1


def main() -> None:
    """Run the command line of this process."""
    try:
        create_cli(ProcessRuntime())()
    except StartError as error:
        _fail(str(error), error.exit_code)
    except ValidationError as error:
        _fail("; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()), EXIT_FAILURE)
    except (ApplicationError, DomainError, PortError) as error:
        _fail(str(error), EXIT_FAILURE)


def _fail(message: str, code: int) -> None:
    print(message, file=sys.stderr)  # noqa: T201 - the last word of a command goes to its terminal
    sys.exit(code)
