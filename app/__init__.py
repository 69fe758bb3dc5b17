"""The ground everyone stands on, and the windows on what the engine room wrote."""
