"""The factory: labelled data sets from a recipe, made by any number of workers, checked and listed.

Read `building` first.
"""
