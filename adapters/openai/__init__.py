"""Models behind a URL that speaks the OpenAI protocol: OpenAI, Ollama, vLLM, text-embeddings-inference and others."""
