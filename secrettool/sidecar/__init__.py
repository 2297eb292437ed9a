"""The program that runs in a cluster: it watches sources, decrypts them in memory, and applies them or writes them into a memory volume.

config         what it is told to do
loading        from a file to that
state          what it is doing: snapshots for health, metrics and status
snapshots      one state of a source, while a pass works on it
source_dir     a folder, or a link that is replaced as a whole
source_flux    an artifact of Flux
source_stdin   manifests on stdin
digest         whether a folder changed
keys           the keys of a source, taken again when their files change
passes         one pass: from a source to the objects, and what becomes of them
applying       objects into the cluster, with owner label, adoption, and pruning
inventory      the identifiers of what was applied
rendering      objects as files
swap           a folder that changes as a whole
loop           pass after pass of one source
lease          which replica works on a source
events         Events about a source
supervisor     the loops of all sources, and the signals

Nothing here knows the terminal, and nothing but `serving` and what it imports needs the extra `sidecar`.
"""
