"""What a user watches and reads as text: the progress of a run, the table of a plan. Nothing is computed here."""
