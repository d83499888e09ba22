"""The socket under hostile frames; `python -m tests.fault.frames --seed 0 --count 10000` is the long run."""

from __future__ import annotations

from tests.fault.frames import run


def test_hostile_frames_harm_nobody_else() -> None:
    found = run(seed=0, count=3000)
    assert found["files_left"] == found["tasks_left"] == 0
    assert found["connections"] == 1
    assert found["state_is_untouched"]
    assert 9.5 < found["honest_news_per_s"] < 10.5
    assert found["refused"] > 2000
    assert set(found["answers"]) == {"denied", "done", "nothing", "refused", "series", "state"}
