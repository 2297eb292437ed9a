"""Placeholders in the cluster get their values: plan, then act.

mapping      the patch map as data
loading      text to map; located: YAML with the place of every node; validation: what is wrong with it
templates    Jinja2 in a sandbox; filters: what may stand behind `|`
selection    which targets a run is about
skeleton     a map to begin with, made from the placeholders of a repository
policy       what is done to an object; protection: what keeps Flux from setting it back
"""
