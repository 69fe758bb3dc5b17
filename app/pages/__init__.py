"""Pages for people: the acknowledgement page and the API explorers."""
