"""A face that passed the gate, with made-up measures."""

from __future__ import annotations

import numpy as np

from synfer_core.faces.align import READ_SIZE
from synfer_core.faces.landmarks import Face, HeadPose
from synfer_core.fetext.gate import Seen

SEEN = Seen(
    face=Face(np.zeros((478, 2), np.float32), {}, HeadPose(1.0, -2.0, 3.0)),
    crop=np.zeros((READ_SIZE, READ_SIZE, 3), np.uint8),
    side=80.0,
    faces=1,
    outside=0.0,
    sharpness=0.1,
)
