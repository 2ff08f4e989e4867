"""Architectures: the networks every worker can build."""
