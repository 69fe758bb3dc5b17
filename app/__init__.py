"""The ground everyone stands on, and the windows through which people and programs look at what the engine room wrote."""
