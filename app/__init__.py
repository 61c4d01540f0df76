"""The studio: FastAPI and Gradio around `synfer_core`. No tensors here."""

import os

# OpenMP reads this once, when torch is imported: waiting threads that spin slow convolutions many
# times over as soon as another process wants the same cores.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
