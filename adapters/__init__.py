"""One package a technology: storage, embedding and the driving side."""
