"""The rules of troubleshooting: values, entities and policies, free of input and output."""
