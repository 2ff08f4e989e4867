"""Jobs: submit them, follow them, stop them."""
