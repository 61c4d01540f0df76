"""Training stages of the built-in model, one file for each."""
