import time
import pytest
from tests.workflows.scenes_remediation import REMEDIATIONS
from tests.workflows.story import story_of, order_of, phases_of
@pytest.mark.parametrize("name", REMEDIATIONS)
async def test_probe(stage, name):
    t=time.time()
    run = await REMEDIATIONS[name](stage)
    h = await run.history()
    print("@@", name, round(time.time()-t,2), len(h.events), (await run.result()).outcome if name!="quarantined" else "")
    print("   ", " / ".join(story_of(h)))
