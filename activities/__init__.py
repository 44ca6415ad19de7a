"""The activities (one room per phase), and the words that they share (`model`)."""
