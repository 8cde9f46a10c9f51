"""Adapters on folders of this machine."""

from __future__ import annotations

from dependency_injector import containers, providers

from adapters.filesystem.blobs import FileBlobStore
from adapters.filesystem.sessions import FileSessionStore
from bootstrap.settings import Settings
from ports.blobs import BlobStore
from ports.clock import Clock
from ports.sessions import CacheStore


class FilesystemContainer(containers.DeclarativeContainer):
    """Sessions and uploaded files."""

    settings: providers.Provider[Settings] = providers.Dependency()
    clock: providers.Provider[Clock] = providers.Dependency()
    sessions: providers.Provider[CacheStore] = providers.Singleton(
        FileSessionStore, settings.provided.session_folder, clock
    )
    blobs: providers.Provider[BlobStore] = providers.Singleton(FileBlobStore, settings.provided.blob_folder)
