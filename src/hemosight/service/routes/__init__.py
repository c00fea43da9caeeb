"""What the service answers, a module for each noun; ``app`` mounts their routers."""
