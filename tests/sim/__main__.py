"""`make sim`: thousands of seeded rollouts with faults around the real core. `--seed N` replays one and tells all."""

from __future__ import annotations

import argparse
import sys

from .campaign import Campaign, play, quiet, story
from .world import run

PROGRESS_EVERY = 200


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seed", type=int, help="play only this one, and print its last events")
    parser.add_argument("--seeds", type=int, default=2000, help="how many to play (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default: %(default)s)")
    with quiet():
        return _play(parser.parse_args())


def _play(asked: argparse.Namespace) -> int:
    if asked.seed is not None:
        result = run(asked.seed)
        print(story(result) if result.broken else "\n".join(result.last))
        print(f"seed {result.seed}: {result.broken or 'every law held'}; digest {result.digest}")
        return bool(result.broken)
    campaign, broken = play(range(asked.first, asked.first + asked.seeds), _tell)
    if broken is not None:
        print(story(broken))
    print(campaign)
    if campaign.promise_broken:
        print(campaign.promise_broken)
    return bool(broken or campaign.promise_broken)


def _tell(campaign: Campaign) -> None:
    if campaign.seeds % PROGRESS_EVERY == 0:
        print(campaign, flush=True)


if __name__ == "__main__":
    sys.exit(main())
