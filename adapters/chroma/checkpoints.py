"""Where checkpoints lie: in a small collection of their own.

Each is a record whose id is the name and whose document is the text. The metadata of the collection with the vectors
would be another place, but it can only be replaced as a whole, and says which embedding space the vectors belong to: of
two processes that write at once, one could undo what the other has written, and a mistake could cost the vectors.
"""

from __future__ import annotations

from hashlib import sha256

from ports.vectors import EmbeddingSpace

SPACE = EmbeddingSpace("checkpoints", 1)
"""What the collection says of itself. A record of Chroma must have a vector."""
VECTOR = (1.0,)


def collection_of(collection: str) -> str:
    """The name of the collection that holds the checkpoints of ``collection``; it is short enough, whatever that is."""
    return f"checkpoints-{sha256(collection.encode()).hexdigest()[:32]}"
