"""Embeddings by meaning with the packaged all-MiniLM-L6-v2 on ONNX Runtime; works offline."""
