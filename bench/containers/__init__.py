"""The image and `compose.yaml`, tried out on a Docker Engine of our own with base images made on this machine."""
