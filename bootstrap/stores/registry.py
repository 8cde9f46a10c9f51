"""Finds the type that a configuration names, among those of this program and of other distributions, and checks it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from pydantic import ValidationError

from bootstrap.accepted import MASK, accepted_by, is_secret, without_password
from bootstrap.setting_types import SettingsError
from bootstrap.stores.builtin import BUILTIN
from bootstrap.stores.configurations import StoreConfiguration
from bootstrap.stores.errors import InvalidStoreConfiguration
from bootstrap.stores.kinds import AnyStoreType, StoreKind, StoreType

GROUP = "faultmaven.stores"
"""The group of entry points by which other distributions offer a `StoreType`."""

S = TypeVar("S")

StoreSettings = Mapping[str, object] | StoreConfiguration
"""What a store is made from: keys with values, or the model of its type."""


def resolve(kind: StoreKind[S], given: StoreSettings) -> tuple[StoreType[S, Any], StoreConfiguration]:
    """The type that is asked for and the checked configuration.

    Raises:
        InvalidStoreConfiguration: with every problem that was found.
    """
    if isinstance(given, StoreConfiguration):
        store_type = _find(kind, given.type)
        if not isinstance(given, store_type.configuration):
            expected, found = store_type.configuration.__name__, type(given).__name__
            raise InvalidStoreConfiguration(kind.title, [("type", f"{given.type} takes {expected}, not {found}")])
        return store_type, given
    if not isinstance(given, Mapping):
        raise InvalidStoreConfiguration(
            kind.title, [("type", f"keys with values are expected, not {type(given).__name__}")]
        )
    store_type = _find(kind, given.get("type"))
    try:
        return store_type, store_type.configuration.model_validate(dict(given))
    except ValidationError as error:
        raise InvalidStoreConfiguration(kind.title, list(_explain(store_type, given, error))) from None


def accepted_types(kind: StoreKind[Any]) -> tuple[str, ...]:
    """The types that can be asked for, those of other distributions included."""
    return tuple(sorted({store_type.name for store_type in (*_builtin(kind), *_installed(kind)[0])}))


def _find(kind: StoreKind[S], name: object) -> StoreType[S, Any]:
    for store_type in _builtin(kind):
        if store_type.name == name:
            return store_type
    # Only now, so that a distribution which cannot be loaded is in nobody's way who does not ask for it.
    installed, failures = _installed(kind)
    found = [store_type for store_type in installed if store_type.name == name]
    if len(found) == 1:
        return found[0]
    if found:
        problem = f"{name!r} is offered by {len(found)} installed distributions; remove all but one"
    else:
        names = sorted({store_type.name for store_type in (*_builtin(kind), *installed)})
        shown = "is missing" if name is None else f"{name!r} is not accepted"
        problem = f"{shown}; accepted: {', '.join(names)}"
    raise InvalidStoreConfiguration(kind.title, [("type", problem), *failures])


def _builtin(kind: StoreKind[Any]) -> tuple[AnyStoreType, ...]:
    return tuple(store_type for store_type in BUILTIN if store_type.kind == kind)


def _installed(kind: StoreKind[Any]) -> tuple[list[AnyStoreType], list[tuple[str, str]]]:
    """The types of other distributions, and what is wrong with those that cannot be used."""
    found, failures = [], []
    for entry_point in entry_points(group=GROUP):
        where = f"entry point {entry_point.name} of {entry_point.dist.name if entry_point.dist else 'a distribution'}"
        try:
            store_type = _load(entry_point)
        except Exception as error:  # noqa: BLE001 - whatever another's module raises, its name has to be told
            failures.append((where, f"cannot be loaded: {type(error).__name__}: {error}"))
            continue
        if store_type.kind == kind:
            found.append(store_type)
    return found, failures


def _load(entry_point: EntryPoint) -> AnyStoreType:
    store_type = entry_point.load()
    if not isinstance(store_type, StoreType):
        raise TypeError(f"{entry_point.value} is no StoreType")
    if any(store_type.name == builtin.name for builtin in _builtin(store_type.kind)):
        raise ValueError(f"the type {store_type.name!r} of a {store_type.kind.title} is taken; choose another name")
    return store_type


def _explain(
    store_type: AnyStoreType, given: Mapping[str, object], error: ValidationError
) -> Iterator[tuple[str, str]]:
    model = store_type.configuration
    for item in error.errors(include_url=False, include_input=False):
        cause = item.get("ctx", {}).get("error")
        if isinstance(cause, SettingsError):
            yield from cause.problems
            continue
        if not item["loc"]:
            yield "type", item["msg"]
            continue
        key = str(item["loc"][0])
        if key not in model.model_fields:
            yield key, f"is no key of the type {store_type.name!r}{_meant(key, list(model.model_fields))}"
        elif item["type"] == "missing":
            yield key, f"is missing; accepted: {accepted_by(model, key)}"
        else:
            shown = MASK if is_secret(model, key) else without_password(repr(given[key]))
            yield key, f"{shown} is not accepted; accepted: {accepted_by(model, key)}"


def _meant(key: str, keys: Sequence[str]) -> str:
    close = difflib.get_close_matches(key, keys, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return f"{hint}; accepted: {', '.join(keys)}"
