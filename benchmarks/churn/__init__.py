"""What is left of an index when its vectors are replaced again and again."""
