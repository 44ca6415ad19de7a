"""What is handed out: the wheel, the list of what is in it (SBOM), checksums; and the audit of the dependencies."""
