"""Faces in images that were not made here: reading, finding, aligning, reading action units."""
