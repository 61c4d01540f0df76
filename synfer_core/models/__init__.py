"""The networks: codec, denoiser, adapters, classifiers, judges and readers."""
