"""Files that jobs made: where they lie and how they are sent."""
