"""YAML files that people write for this program, each with a schema.

located      data that remembers where every field is written
validation   everything that is wrong with a file, with line, column and field
"""
