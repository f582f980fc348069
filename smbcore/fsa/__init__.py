"""The NT file system layer [MS-FSA]: opens, sharing, oplocks, byte ranges, rename, delete, directories, information,
notify, streams.

Lock order: none is needed, all state is touched on the event-loop thread only; a coroutine that suspended re-checks
what it decided before it waited.
"""
