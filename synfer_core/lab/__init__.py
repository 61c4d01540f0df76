"""What faces are worth as training data: recognisers trained on them and tested on others."""
