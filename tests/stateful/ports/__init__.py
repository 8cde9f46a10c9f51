"""The commands of each port, and what its adapters must agree on."""

from typing import Any

from tests.stateful.agreement import Port
from tests.stateful.ports.blobs import BlobPort
from tests.stateful.ports.cases import CasePort
from tests.stateful.ports.knowledge import KnowledgePort
from tests.stateful.ports.sessions import SessionPort
from tests.stateful.ports.users import UserPort
from tests.stateful.ports.vectors import VectorPort

PORTS: list[Port[Any, Any]] = [CasePort(), UserPort(), KnowledgePort(), VectorPort(), SessionPort(), BlobPort()]
