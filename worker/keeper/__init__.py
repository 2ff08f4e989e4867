"""The keeper: the housekeeping no training may delay. One of several is elected; it never trains."""
