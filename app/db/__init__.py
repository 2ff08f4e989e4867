"""The database: one engine per process, one way to commit, one file per table."""
