"""Several devices and several machines: their set-up, batch splitting, gradient reduction, broadcast."""
