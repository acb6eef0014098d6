"""Generation of texts: a GAN and a language model, and the quality of what they generate."""
