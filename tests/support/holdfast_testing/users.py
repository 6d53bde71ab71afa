"""Doing something as another user: only for root."""

import os
import pickle
import traceback

# Uids that no user database has. Not nobody's 65534: that is the overflow uid, which is always refused.
ALICE, MALLORY = 61001, 61002


def in_child(function, before=None):
    """The result of function() in a forked child, its exception raised here."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            try:
                if before:
                    before()
                answer = (True, function())
            except BaseException:  # the parent raises it
                answer = (False, traceback.format_exc())
            with os.fdopen(writer, "wb") as pipe:
                pickle.dump(answer, pipe)
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        data = pipe.read()
    os.waitpid(child, 0)
    if not data:
        raise RuntimeError("the child ended without an answer")
    good, value = pickle.loads(data)
    if not good:
        raise RuntimeError(f"in the child:\n{value}")
    return value


def become(uid, gid=None):
    os.setgroups([])
    os.setresgid(*[uid if gid is None else gid] * 3)
    os.setresuid(uid, uid, uid)


def as_user(uid, function, gid=None):
    """function() run by a child under `uid`, with no supplementary groups."""
    return in_child(function, before=lambda: become(uid, gid))
