"""What the sandbox holds: the objects, its clock, and what an answer shows of an object."""
