"""The knobs of what DeepSeek-V3 trains beside an objective: even experts, multi-token prediction.

They are the same in every stage that trains a policy. What is said of a model that has no such
parts is the stages' business.
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
MtpWeight = Annotated[
    float,
    Field(
        description="lambda of the multi-token-prediction loss; 0: its layers are carried as they "
        "are",
        ge=0,
    ),
]
MtpDetach = Annotated[
    bool,
    Field(
        description="keep that loss's gradient in those layers, out of the policy; false: train "
        "jointly"
    ),
]
