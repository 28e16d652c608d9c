"""The example: image denoising."""
