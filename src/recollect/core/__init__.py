"""The rules: what is accepted, what fits, what belongs together. No driver, no SQL, no clock of its own."""
