"""Two people in one record: which keys are whose. Pure.

The keys of a contact form a tree: each came along with another one, and a merge hangs a whole tree on the survivor's
first key. Undoing the merge cuts that branch off, with all that was merged into it or came along since.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from contact.domain.people import Identity

MAX_KEYS = 5_000  # of one person: what is told of them has to fit a record of the bus


class NotMergedError(Exception):
    """There is no such merge to undo. Says why in plain words."""


@dataclass(frozen=True, slots=True)
class Branch:
    """The part of a contact that is somebody else.

    `keys` are theirs; `chain` are the keys from the losing to the surviving one, each merged into the next; `retold`
    are those of theirs that everybody believes to be merged into somebody who is not part of the branch.
    """

    keys: frozenset[str]
    chain: tuple[str, ...]
    retold: tuple[str, ...]


def branch_of(identities: Mapping[str, Identity], contact: str, losing: str) -> Branch:
    """What hangs on a merge. `identities` are all of the contact, by key. Raises NotMergedError."""
    _check(identities[losing], contact)
    keys = below(identities, contact, losing)
    if len(keys) > MAX_KEYS:
        raise NotMergedError(f"They are recognised in more than {MAX_KEYS:,} ways; that is too many to take apart.")
    retold = (key for key in keys - {losing} if (into := identities[key].merged_into) and into not in keys)
    return Branch(keys, _chain(identities, contact, losing), tuple(sorted(retold)))


def below(identities: Mapping[str, Identity], contact: str, key: str) -> frozenset[str]:
    """A key and all that came along with it. Keys from before this was kept came with the contact's first one."""
    children: dict[str, list[str]] = {}
    for identity in identities.values():
        if identity.key != contact:
            children.setdefault(identity.came_with or contact, []).append(identity.key)
    found, waiting = {key}, [key]
    while waiting:
        new = [child for child in children.get(waiting.pop(), ()) if child not in found]
        found.update(new)
        waiting += new
    return frozenset(found)


def _check(losing: Identity, contact: str) -> None:
    if losing.key == contact:
        raise NotMergedError("This contact survived; name the one that was merged into it.")
    if losing.came_with is None:
        raise NotMergedError("This merge is older than the record of what each brought, so it cannot be undone.")
    if losing.merged_into is None:
        raise NotMergedError("This is only another way to recognise them; nobody was merged by it.")


def _chain(identities: Mapping[str, Identity], contact: str, losing: str) -> tuple[str, ...]:
    chain = [losing]
    while (into := identities[chain[-1]].merged_into) in identities and into is not None:
        if into == contact or into in chain:
            break
        chain.append(into)
    return (*chain, contact)
