"""YAML: text to a document and back, byte for byte, by the rules of go-yaml.

    scan      bytes to text; libyaml's tokens and events
    comments  which token takes which comment
    parser    tokens or events to nodes, with their comments
    compose   nodes to the tree that sops would hold
    resolve   a scalar's text to its typed value
    sealing   plain text to encrypted text; layout places the metadata block
    opening   encrypted text to plain text
    emit      trees without a text
    amend     the smallest change of a text

Source: go-yaml v3.0.4; sops 3.13 stores/yaml/store.go.
"""

from secrettool.stores.yaml.store import YamlStore

__all__ = ["YamlStore"]
