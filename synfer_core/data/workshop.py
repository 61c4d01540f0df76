"""The workshop of real models: opened in whatever process is to make samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import torch

from synfer_core.data.judging import judge_of
from synfer_core.data.making import Maker
from synfer_core.data.plan import Plan
from synfer_core.stimuli.tools import Tools
from synfer_core.synthesizer import DEFAULT_FOLDER, Synthesizer


@dataclass(frozen=True)
class ModelWorkshop:
    """A folder of weights at work on a plan, on one thread.

    Attributes:
        plan: What is asked for.
        models: Weights; None takes those that ship.
    """

    plan: Plan
    models: Path | None = None

    def open(self) -> Maker:
        """Load the weights.

        Equal pixels want equal threads: each worker has one, whatever their number.

        Raises:
            WeightsError: A weight file is missing or damaged.
            RequestError: Nobody is there who could judge as the plan wants it, or the backbone
                refuses the first recipe.
        """
        torch.set_num_threads(1)
        cv2.setNumThreads(1)
        return maker_of(self.plan, Synthesizer.load(self.models), self.models or DEFAULT_FOLDER)


def maker_of(
    plan: Plan, synthesizer: Synthesizer, folder: Path, tools: Tools | None = None
) -> Maker:
    """A maker from a synthesizer.

    Args:
        plan: What is asked for.
        synthesizer: Makes and reads the images.
        folder: Its weights.
        tools: What makes them in its place, such as by a queue.

    Raises:
        RequestError: Nobody is there who could judge as the plan wants it, or the backbone refuses
            the first recipe.
    """
    tools = tools or Tools.of(synthesizer, folder, "none")
    maker = Maker(plan, tools, judge_of(plan, synthesizer))
    tools.check(maker.recipe(plan.row(0)))
    return maker


def threads() -> int:
    """Threads on which networks work in this process; other numbers give other last bits."""
    return torch.get_num_threads()
