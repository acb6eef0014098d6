"""What is trained: networks, losses, penalties, augmentation, and the `GAN` that joins them."""
