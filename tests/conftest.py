"""What every test may rely on."""

import os
import uuid

# Ray reads these when it is imported, which some test modules do at once.
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN"] = uuid.uuid4().hex
os.environ.pop("RAY_ADDRESS", None)

os.environ["WANDB_MODE"] = "disabled"
"""No test sends anything anywhere: what wants W&B says `wandb: offline` in its study."""
