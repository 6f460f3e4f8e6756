"""What a payload holds: text tables whole and in pieces, JSON, and scientific files in a confined process."""
