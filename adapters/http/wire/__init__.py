"""The shapes that the clients know. The words of the domain are translated here and nowhere else."""
