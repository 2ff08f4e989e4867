"""A control for engines that nobody listens to."""

from worker.engine.events import Event, Stop


class Silent:
    """Takes events and drops them."""

    def emit(self, event: Event) -> None:
        """Nothing to do."""

    def stop_requested(self) -> Stop | None:
        """Never."""
        return None
