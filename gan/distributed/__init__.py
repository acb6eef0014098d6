"""Training on several devices and machines: device setup, batch splitting, gradient reduction, broadcast."""
