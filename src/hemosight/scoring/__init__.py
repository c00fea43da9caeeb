"""How right a reading is: metrics, agreement, learning curves, the planner. Plain numpy, for laboratory and service."""
