"""Stores made from configurations: `StoreFactory` for programs, `open_store` for the container of this one."""

from bootstrap.stores.configurations import StoreConfiguration, VectorConfiguration
from bootstrap.stores.errors import InvalidStoreConfiguration
from bootstrap.stores.factory import StoreFactory, open_store
from bootstrap.stores.kinds import BLOBS, CASES, KNOWLEDGE, SESSIONS, USERS, VECTORS, Opening, StoreKind, StoreType

__all__ = [
    "BLOBS",
    "CASES",
    "KNOWLEDGE",
    "SESSIONS",
    "USERS",
    "VECTORS",
    "InvalidStoreConfiguration",
    "Opening",
    "StoreConfiguration",
    "StoreFactory",
    "StoreKind",
    "StoreType",
    "VectorConfiguration",
    "open_store",
]
