"""What the end-to-end tests, the benches and the quickstart start: a software TPM, the daemon, an S3 server."""
