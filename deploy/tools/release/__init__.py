"""The release: wheel, SBOM and checksums; and the audit of the dependencies."""
