"""Datasets: the built-in ones, uploads, and folders on the server."""
