"""The parts of the contract of `ports.knowledge.KnowledgeRepository`."""
