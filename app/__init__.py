"""Everything that does not need torch: the HTTP service and the parts that workers share with it."""
