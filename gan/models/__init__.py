"""The GAN and its parts: networks, losses, penalties, augmentation, optimizers, random numbers."""
