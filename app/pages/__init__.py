"""What people look at: status pages, badges, the explorer."""
