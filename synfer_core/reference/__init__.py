"""The expression diffused around a reference person: latents of motion and appearance."""
