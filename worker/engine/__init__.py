"""Pure torch: range test, one-cycle training, evaluation. Knows nothing of HTTP, Celery or the database."""
