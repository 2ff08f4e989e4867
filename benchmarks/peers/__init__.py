"""The loops that others write, and what it takes to time them beside the engine."""
