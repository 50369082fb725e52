"""Two customers turn out to be one: what was learned of both becomes one profile. Pure."""

from analytics.profile import WEEKLY, Episode, Profile


def merge_into(kept: Profile, lost: Profile) -> list[Episode]:
    """Folds `lost` into `kept`: every section by its own rule, timers to the earlier moment, waiting examples, open
    episodes. Returns the episodes of `lost` that end, because `kept` has one of that kind open already.
    """
    kept.sections.merge(lost.sections)
    kept.pending.merge(lost.pending)
    kept.last_event_at = max(kept.last_event_at, lost.last_event_at)
    kept.backfill_until = max(kept.backfill_until, lost.backfill_until)
    kept.import_open = max(kept.import_open, lost.import_open)
    for kind, due in lost.timers.items():
        if kind == WEEKLY and WEEKLY in kept.timers:
            continue  # the survivor keeps its own day of the week
        kept.timers[kind] = min(due, kept.timers.get(kind, due))
    return [
        episode
        for key, episode in sorted(lost.episodes.items())
        if kept.episodes.setdefault(key, episode) is not episode
    ]
