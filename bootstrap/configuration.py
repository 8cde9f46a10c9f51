"""Where settings come from: process environment, then `.env`, then the profile, then the defaults.

All problems are found at once and told in the operator's words; nothing falls back to another value in silence.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from dotenv import dotenv_values
from pydantic import SecretStr, ValidationError

from bootstrap.accepted import MASK, accepted_by, without_password
from bootstrap.errors import Misconfigured
from bootstrap.setting_types import SettingsError
from bootstrap.settings import Settings

PROFILES = ("development", "singlenode", "production")

VARIABLES: Mapping[str, str] = {name.upper(): name for name in Settings.model_fields}

_SECRET_WORDS = ("PASSWORD", "KEY", "SECRET", "TOKEN_VALUE")


@dataclass(frozen=True, slots=True)
class Given:
    """A value as text and where it was found."""

    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the configuration, in one line."""

    variable: str
    message: str

    def __str__(self) -> str:
        """The line to print."""
        return f"{self.variable}: {self.message}"


class ConfigurationError(Misconfigured):
    """The configuration cannot be used; ``problems`` has all the reasons."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.variable))
        lines = [f"  {problem}" for problem in self.problems]
        super().__init__("\n".join(("The configuration cannot be used:", *lines)))


@dataclass(frozen=True, slots=True)
class Configuration:
    """Checked settings and the origin of each value."""

    settings: Settings
    origins: Mapping[str, str]

    def rows(self) -> list[tuple[str, str, str]]:
        """Triples of variable, value (secrets masked) and origin, in the order of the settings."""
        return [
            (variable, _show(getattr(self.settings, name)), self.origins.get(variable, "default"))
            for variable, name in VARIABLES.items()
        ]


def load_configuration(environment: Mapping[str, str] | None = None, folder: Path | None = None) -> Configuration:
    """The configuration for a process environment (by default this process') and the `.env` of a folder.

    Raises:
        ConfigurationError: with every problem that was found.
    """
    return _checked(*_collect(os.environ if environment is None else environment, (folder or Path.cwd()) / ".env"))


def configuration_named(name: str) -> Configuration:
    """The configuration of another installation: a profile by its name, or a file with settings in the form of `.env`.
    The environment of this process has no part in it.

    Raises:
        ConfigurationError: with every problem that was found.
    """
    if name in PROFILES:
        return _checked(*_collect({"FAULTMAVEN_PROFILE": name}, None))
    file = Path(name)
    if not file.is_file():
        raise ConfigurationError(
            [Problem(name, f"is neither a file with settings nor a profile ({', '.join(PROFILES)})")]
        )
    return _checked(*_collect({}, file))


def _checked(given: Mapping[str, Given], problems: list[Problem]) -> Configuration:
    problems = [*problems, *_check_names(given)]
    values = {VARIABLES[name]: item.value for name, item in given.items() if name in VARIABLES}
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError([*problems, *_explain(error, given)]) from None
    if problems:
        raise ConfigurationError(problems)
    return Configuration(settings, {name: item.origin for name, item in given.items()})


def _collect(environment: Mapping[str, str], file: Path | None) -> tuple[dict[str, Given], list[Problem]]:
    problems: list[Problem] = []
    from_file: dict[str, str | None] = {}
    if file is not None and file.is_file():
        try:
            from_file = dict(dotenv_values(file, interpolate=False, encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            problems.append(Problem(file.name, f"the file {file} cannot be read ({error}); save it as UTF-8 text"))
    own = {name: value for name, value in environment.items() if name in VARIABLES}
    own |= {name: value for name, value in environment.items() if name.startswith("FAULTMAVEN_")}
    own |= {name: value for name, value in environment.items() if name not in own and _resembles(name, cutoff=0.9)}
    layers: list[tuple[str, Mapping[str, str | None]]] = [
        ("environment", own),
        (file.name if file else "file", from_file),
    ]
    profile = next(
        (layer["FAULTMAVEN_PROFILE"] for _, layer in layers if layer.get("FAULTMAVEN_PROFILE")), "singlenode"
    )
    if profile in PROFILES:
        text = resources.files("bootstrap").joinpath("profiles", f"{profile}.env")
        with resources.as_file(text) as path:
            layers.append((f"profile {profile}", dotenv_values(path, interpolate=False)))
    given: dict[str, Given] = {}
    for origin, layer in reversed(layers):
        for name, value in layer.items():
            if value is None:
                problems.append(Problem(name, f"has no value in {origin}; write {name}=value"))
            elif value != "":
                given[name] = Given(value, origin)
            elif name in given:
                del given[name]
    return given, problems


def _resembles(name: str, *, cutoff: float) -> str | None:
    """The variable that was probably meant by an unknown name."""
    close = difflib.get_close_matches(name.upper(), VARIABLES, n=1, cutoff=cutoff)
    return close[0] if close else None


def _check_names(given: Mapping[str, Given]) -> list[Problem]:
    problems = []
    for name, item in given.items():
        if name in VARIABLES:
            continue
        meant = _resembles(name, cutoff=0.7)
        hint = f"did you mean {meant}?" if meant else "see `faultmaven config show` for the names"
        problems.append(Problem(name, f"is no setting (found in {item.origin}); {hint}"))
    return problems


def _explain(error: ValidationError, given: Mapping[str, Given]) -> list[Problem]:
    problems: list[Problem] = []
    for item in error.errors(include_url=False, include_input=False):
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, SettingsError):
            problems.extend(Problem(*problem) for problem in cause.problems)
            continue
        variable = str(item["loc"][0]).upper()
        found = given[variable]
        shown = MASK if _is_secret(variable) else repr(without_password(found.value))
        problems.append(
            Problem(variable, f"{shown} (from {found.origin}) is not accepted; accepted: {accepted_values(variable)}")
        )
    return problems


def accepted_values(variable: str) -> str:
    """What a variable accepts, in words."""
    return accepted_by(Settings, VARIABLES[variable])


def _is_secret(variable: str) -> bool:
    return any(word in variable for word in _SECRET_WORDS)


def _show(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else without_password(str(value))
