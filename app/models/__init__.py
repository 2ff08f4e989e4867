"""Models: trained weights, as a resource of their own."""
