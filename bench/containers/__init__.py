"""The image and `compose.yaml`, tested on a private Docker Engine with base images made on this machine."""
