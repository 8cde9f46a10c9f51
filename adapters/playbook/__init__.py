"""A language model without a model: rules that read the case, the evidence and the retrieved runbooks."""
