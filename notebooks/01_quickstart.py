# %% [markdown]
# # Quickstart: digits from a GAN
#
# **Needs:** a laptop; no GPU, no network. **Takes:** about a minute. **Afterwards you will know** nothing yet.

# %%
from importlib.util import find_spec

from IPython import get_ipython

if find_spec("gan") is None:  # as in Colab
    get_ipython().run_line_magic("pip", "install --quiet gan-reference")

# %% tags=["parameters"] quick={"STEPS": 20}
STEPS = 100  # of training

# %%
from gan import runtime

print(runtime.start(seed=0))

import matplotlib.pyplot as plt

from gan import generate, images, load_generator

print(STEPS)
plt.imshow(images.grid(images.to_uint8(generate(load_generator("mnist"), 10)), columns=10)[..., 0])
