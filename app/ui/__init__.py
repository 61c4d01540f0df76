"""The page: layout, forms, results and their look."""
