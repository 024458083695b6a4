"""What every test may rely on."""

import os
import uuid

# Ray reads these when it is imported, which some test modules do at once.
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN"] = uuid.uuid4().hex
os.environ.pop("RAY_ADDRESS", None)
