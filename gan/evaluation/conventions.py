"""Conventions of the numbers in a report."""

from gan.evaluation import metrics
from gan.evaluation.metrics.sliced import DIRECTIONS, PATCHES
from gan.evaluation.reconstruction import RECONSTRUCTED
from gan.evaluation.reference import FLOOR_DRAWS, MOST, NEAREST

CONVENTIONS = {
    "error_rate, worst_class, error_rate_by_class": "all samples (num); real: as many images as other numbers use",
    "other numbers": "the first samples (compared) and as many test images; perturbation: the first 1,000 samples",
    "images": "in [-1, 1]; squared differences are means over the pixels on this scale",
    "ssim": "window 11, sigma 1.5, K1 .01, K2 .03, data range 2",
    "precision, recall, density, coverage": f"k = {metrics.NEIGHBOURS}, strictly nearer, without the image itself",
    "kernel_distance": "(x.y / F + 1)^3, unbiased; standard error by jackknife over 10 blocks",
    "pairwise_ssim": "2,000 random pairs of one class; without classes: of all images",
    "sliced_wasserstein": f"the first {NEAREST:,} samples and as many test images; {PATCHES} patches of 7 x 7 pixels "
    f"of each image and level, {DIRECTIONS} directions; the mean and spread of real patches normalize both sets",
    "nearest_mse, nearest_ssim, copied_share": f"the first {NEAREST:,} samples; copied_share, real: test images",
    "reconstruction": f"the first {RECONSTRUCTED} test images; real images: the nearest training image of each",
    "frechet_distance of real": f"the floor: the mean of {FLOOR_DRAWS} draws of training images",
    "training images": f"at most {MOST:,}, drawn at random if the dataset has more",
    "interval": "Wilson, 95 %",
    "worst_class": "Clopper-Pearson, 95 %, of the highest error rate of all classes",
}
"""How each number of a report is computed."""
