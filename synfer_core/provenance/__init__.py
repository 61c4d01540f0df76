"""Where an image comes from: metadata, watermark and label, written and read back."""
