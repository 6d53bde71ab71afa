"""Put before a command: it then is the first process of a pid namespace of its own, with a /proc that shows it.

Not unshare's --mount-proc: that changes the root's propagation, which a chroot does not have. Only /proc is taken out
of its peer group, so that nothing is mounted outside.
"""

OWN_PIDS = ["unshare", "--pid", "--fork", "--kill-child", "--mount", "--propagation", "unchanged", "bash", "-c",
            'mount --make-rprivate /proc && mount -t proc proc /proc && exec "$@"', "own-pids"]  # fmt: skip
