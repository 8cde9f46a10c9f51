"""Writes the page `docs/configuration.md` from the settings themselves; `make docs` runs it."""

from __future__ import annotations

from importlib import resources

from bootstrap.configuration import PROFILES, VARIABLES, accepted_values
from bootstrap.settings import Settings

_HEAD = """\
# Configuration

Every setting is an environment variable. The first of these that gives a value counts: the process environment, the
file `.env` in the working folder, the profile that `FAULTMAVEN_PROFILE` names, the default. Empty means "not set".
`faultmaven config show` prints each value with where it came from, `faultmaven config check` finds what is wrong: every
problem at once, with exit code 78.

This page is made from the settings by `make docs`.

| variable | accepted | default | meaning |
| --- | --- | --- | --- |
"""


def configuration_reference() -> str:
    """The page as Markdown."""
    rows = [
        f"| `{variable}` | {accepted_values(variable)} | {_default(name)} | {Settings.model_fields[name].description} |"
        for variable, name in VARIABLES.items()
    ]
    profiles = [f"\n### `{name}`\n\n```sh\n{_profile(name)}```\n" for name in PROFILES]
    return _HEAD + "\n".join(rows) + "\n\n## Profiles\n" + "".join(profiles)


def _default(name: str) -> str:
    default = Settings.model_fields[name].default
    if default is None or default == ():
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{','.join(default)}`" if isinstance(default, tuple) else f"`{default}`"


def _profile(name: str) -> str:
    return resources.files("bootstrap").joinpath("profiles", f"{name}.env").read_text(encoding="utf-8")


if __name__ == "__main__":
    print(configuration_reference(), end="")  # noqa: T201 - its output is the page
