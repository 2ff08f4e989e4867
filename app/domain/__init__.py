"""The pure middle: what a job is, how the learning rate moves, what a curve says. No I/O."""
