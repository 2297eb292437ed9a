"""The sidecar for a long time, while everything happens that happens to it: memory, descriptors and threads must not grow. See `make soak`."""
