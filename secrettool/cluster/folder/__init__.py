"""A folder of manifests as a cluster: for previews, demonstrations and tests, without a server.

cluster      the protocol over files
index        the objects by what they are
files        which objects the files hold, and writing them
rewriting    the text of a file with another object in it
stored       an object as an API server would keep it, and back to how it is written
patching     merge patches and JSON patches
validation   what an API server refuses
owners       who owns which field
kinds        which kinds there are
"""

from secrettool.cluster.folder.cluster import FolderCluster

__all__ = ["FolderCluster"]
