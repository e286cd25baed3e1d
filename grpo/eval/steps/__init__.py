"""Process rewards: the steps of a thought, and how good each of them is."""
