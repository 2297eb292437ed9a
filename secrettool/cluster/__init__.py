"""A cluster as objects that are read and applied.

model        the protocol, and what can go wrong with an apply
connection   where the API server is, and who asks: kubeconfig, context, the pod's own account
apiserver    the protocol over HTTP
discovery    which resource a kind is
redaction    what may be told of the API server's answers
stages       the order in which objects are applied
preparing    objects as they are sent, and what is wrong with them
ownership    owners of fields that the API server does not defend
drift        when a live object differs from what it would become
prediction   what an apply would do, guessed without asking the server
planning     what applying would do to every object
applying     doing it
masking      two versions of an object with its secrets hidden
comparing    two versions of an object as text

The package `kubernetes` is imported when the first connection is made that needs it: a usual kubeconfig does not (`plain`).
"""
