"""Bringing a database to the schema that this release knows."""

from __future__ import annotations

from sqlalchemy import Connection

from adapters.sql.migrations import HEAD
from ports.errors import PortError

SELECT_REVISION = "SELECT version_num FROM alembic_version"


class SchemaTooNew(PortError):
    """The database was written by a newer release than this one."""

    def __init__(self, where: str, revision: str, newest: str = HEAD) -> None:
        super().__init__(
            f"{where} has schema revision {revision!r}, this release knows revisions up to {newest!r}; "
            "start the newer release that wrote it, or restore a backup from before the upgrade"
        )
        self.revision = revision


def upgrade(connection: Connection, where: str, *, to: str = HEAD) -> None:
    """Run the missing migrations. The caller sees to it that nobody else does, and commits.

    ``where`` names the database in errors.

    Raises:
        SchemaTooNew: the stored revision is unknown to this release; nothing has changed.
    """
    # Loading Alembic takes most of a second, and a current schema does not need it.
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "adapters.sql:migrations")
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    stored = MigrationContext.configure(connection).get_current_revision()
    if stored is not None and stored not in known:
        raise SchemaTooNew(where, stored)
    command.upgrade(config, to)
