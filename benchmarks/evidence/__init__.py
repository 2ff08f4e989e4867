"""What comparisons and tunings are tried on: real pictures, through a service, and beside fastai."""
