"""What changes rows between source and stage; each batch by itself."""
