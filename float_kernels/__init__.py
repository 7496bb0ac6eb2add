"""Fast kernels for top-k certificates whose bounds survive rounding."""
