"""What listens to signals and tells of the work; nothing here can make it fail."""
