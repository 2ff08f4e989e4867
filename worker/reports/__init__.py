"""Reports of plans: figures, tables, pictures and pages from what their jobs have left, in a process of their own."""
