"""What the world does to the product: clocks jump, processes pause; logs, databases and Valkey's files break."""
