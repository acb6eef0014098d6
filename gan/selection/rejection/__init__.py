"""Rejection: attempts per sample, scores of a classifier or the discriminator, calibration, before and after."""
