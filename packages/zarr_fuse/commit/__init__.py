"""The commit protocol: lease, write-ahead records, ledger."""
