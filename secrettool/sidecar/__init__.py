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
serving        what others see: the endpoints, the figures, the notifications
endpoints      which endpoints there are, and who may see what
server, wsgi   the server under them, and the little of HTTP that they need
health         whether it lives, is ready, has started
metrics        figures for Prometheus
status, page   what it is doing, as JSON and for people
refresh        passes on demand, for who knows a secret
webhooks       signatures and tokens of forges
credentials    secrets of the HTTP side
ratelimit      how often something may happen
notify         somebody is told of changes
changes        which changes, in words
channels       how they are told: a webhook, Slack, Telegram

Nothing here knows the terminal, and nothing but `serving` and what it imports needs the extra `sidecar`.
"""
