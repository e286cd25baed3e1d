"""The knobs that keep experts balanced, the same in every stage that trains a policy.

What a model without experts is told who asks for them is the stages' business.
"""

from typing import Annotated, Literal

from pydantic import Field

RouterBias = Annotated[
    Literal["update", "freeze", "decay"],
    Field(
        description="the bias that chooses experts: moved against the load after each optimizer "
        "step, kept, or moved by a gamma that falls to 0 over the stage"
    ),
]
BiasSpeed = Annotated[
    float, Field(description="gamma: how far a router bias moves a step (V3: 0.001)", ge=0)
]
Balance = Annotated[
    float, Field(description="alpha of the sequence-wise balance loss (V3: 1e-4)", ge=0)
]
ExpertBalance = Annotated[
    float, Field(description="alpha of V2's expert-level balance loss, to compare (V2: 3e-3)", ge=0)
]
