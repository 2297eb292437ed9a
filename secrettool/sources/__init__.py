"""Where the values for placeholders come from.

value        a value on its way, which shows nothing of itself
model        sources and providers as a map describes them
resolver     all values of a run, each fetched once
forms        from what a source gave to the bytes that are meant: pointer, trim, encoding
env          variables of the environment
file         files, with a look at who else may read them
sopsfile     encrypted files, opened in memory
exec         output of programs
generate     new random values and keys
ref          sources written as `ref+...` URLs
vault        secrets of Vault's and OpenBao's KV engines
vaultclient  whom to ask, with which trust, and what its refusals mean
vaultlogin   how a token is got
github       the identity of a job of GitHub Actions
session      HTTP with retries, without proxies on loopback, without texts of servers in its errors

`vault`, `vaultclient` and `session`, with the libraries that they stand on, are imported when the first secret of a Vault is wanted.
"""
