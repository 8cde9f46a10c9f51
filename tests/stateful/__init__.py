"""State machines that compare an adapter with a plain model, step by step."""
