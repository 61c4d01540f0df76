"""Many images read one after another, and their table in three styles of columns."""
