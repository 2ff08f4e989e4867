"""From wherever images lie to one uint8 array per split: sources, archives, decoding and the cache."""
