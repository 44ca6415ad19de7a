"""What a cycle may do (one room a phase) and the words it speaks (`model`)."""
