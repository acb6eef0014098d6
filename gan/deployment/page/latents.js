// The latents of `gan sample`: sample (seed, index) has the latent vector that gan.sampling.latents returns.
//
// Random bits: Philox 4x32-10 (Salmon et al., 2011) with TensorFlow's keys. Normal numbers: Box-Muller in float64.
// A counter generator has random access, so only the requested vectors are computed.

/** Latents per block: each block has its own key. */
const BLOCK = 1024;

/** Number of the stream of random numbers for sampling. */
const SAMPLING = 0;

/** The uniform number whose logarithm stands for that of smaller ones: 1e-7 in float32. */
const SMALLEST = Math.fround(1e-7);

/** Key with which TensorFlow mixes a seed. */
const MIXING_KEY = [0x3ec8f720, 0x02461e29];

/** Upper 32 bits of the product of two unsigned 32-bit numbers. */
function multiplyHigh(a, b) {
  const [aHigh, aLow, bHigh, bLow] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const low = aLow * bLow;
  const middle = aHigh * bLow + (low >>> 16);
  const rest = aLow * bHigh + (middle % 0x10000);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(rest / 0x10000)) >>> 0;
}

/** Returns four random unsigned 32-bit numbers for a counter (four numbers) and a key (two numbers). */
function philox([c0, c1, c2, c3], [k0, k1]) {
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = [multiplyHigh(0xd2511f53, c0), Math.imul(0xd2511f53, c0)];
    const [high1, low1] = [multiplyHigh(0xcd9e8d57, c2), Math.imul(0xcd9e8d57, c2)];
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1 >>> 0, (high0 ^ c3 ^ k1) >>> 0, low0 >>> 0];
    [k0, k1] = [(k0 + 0x9e3779b9) >>> 0, (k1 + 0xbb67ae85) >>> 0];
  }
  return [c0, c1, c2, c3];
}

/** Returns the two 32-bit halves of a whole number below 2^53, the lower one first. */
function halves(number) {
  return [number >>> 0, Math.floor(number / 2 ** 32)];
}

/** A stream of 128-bit groups of random bits, as TensorFlow derives it from a seed of two 64-bit numbers. */
class Stream {
  /** @param {number[]} seed - four unsigned 32-bit numbers: each 64-bit number with its lower half first */
  constructor(seed) {
    const mixed = philox(seed, MIXING_KEY);
    this.key = mixed.slice(0, 2);
    this.upper = mixed.slice(2);
  }

  /** Returns the group at a position: four unsigned 32-bit numbers. */
  group(position) {
    return philox([...halves(position), ...this.upper], this.key);
  }
}

/** Returns the stream of random bits of one block of latents. */
function blockStream(seed, block) {
  const folded = new Stream([...halves(seed), ...halves(SAMPLING)]).group(0).slice(0, 2);
  return new Stream([...folded, ...halves(block)]);
}

/**
 * Returns standard normal latent vectors, one after the other: Float32Array of length indices.length * latentDim.
 *
 * @param {number} seed - whole number, 0 <= seed < 2^32
 * @param {number[]} indices - indices of the samples: whole numbers, 0 <= index < 2^53
 * @param {number} latentDim - length of a latent vector
 */
export function latents(seed, indices, latentDim) {
  const found = new Float32Array(indices.length * latentDim);
  const streams = new Map();
  indices.forEach((index, row) => {
    const block = Math.floor(index / BLOCK);
    if (!streams.has(block)) {
      streams.set(block, blockStream(seed, block));
    }
    const first = (index % BLOCK) * latentDim;
    let [group, bits] = [-1, []];
    for (let column = 0; column < latentDim; column++) {
      const position = first + column;
      if (position >> 2 !== group) {
        group = position >> 2;
        bits = streams.get(block).group(group);
      }
      const pair = position & 2;
      const [u, v] = [bits[pair], bits[pair + 1]].map((word) => (word & 0x7fffff) * 2 ** -23);
      const radius = Math.sqrt(-2 * Math.log(Math.max(u, SMALLEST)));
      const turn = position & 1 ? Math.cos : Math.sin;
      found[row * latentDim + column] = radius * turn(2 * Math.PI * v);
    }
  });
  return found;
}

/** Returns the error function of a number, with an absolute error of about 1e-16. */
export function erf(x) {
  if (Math.abs(x) >= 6) {
    return Math.sign(x); // 1 - erf(6) is 2e-17
  }
  // 2/sqrt(pi) exp(-x^2) sum of 2^n x^(2n+1) / (2n+1)!!: no term is negative for x >= 0
  let [term, sum] = [x, 0];
  for (let n = 1; sum + term !== sum; n++) {
    sum += term;
    term *= (2 * x * x) / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** Returns the inverse of the error function for -1 < y < 1. */
export function erfInverse(y) {
  const logarithm = Math.log1p(-y * y);
  const half = 2 / (Math.PI * 0.147) + logarithm / 2; // Winitzki's approximation, with a relative error of 0.002
  let x = Math.sign(y) * Math.sqrt(Math.sqrt(half * half - logarithm / 0.147) - half);
  for (let step = 0; step < 4; step++) {
    const newton = ((erf(x) - y) * Math.sqrt(Math.PI)) / 2 * Math.exp(x * x);
    x -= newton / (1 + x * newton); // Halley's method
  }
  return x;
}

/**
 * Maps standard normal numbers to the truncated normal on [-threshold, threshold], each to the same quantile.
 *
 * @param {Float32Array} values - standard normal numbers
 * @param {number} threshold - greater than 0
 */
export function truncate(values, threshold) {
  const inside = erf(threshold / Math.SQRT2);
  return values.map((value) => Math.SQRT2 * erfInverse(erf(value / Math.SQRT2) * inside));
}

/** Returns the vector at a share in [0, 1] of the way from one vector to another, along the great circle. */
export function spherical(first, second, share) {
  const dot = (a, b) => a.reduce((sum, value, index) => sum + value * b[index], 0);
  const cosine = dot(first, second) / Math.sqrt(dot(first, first) * dot(second, second));
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  const sine = Math.sin(angle);
  const parallel = sine < 1e-6; // linear interpolation avoids a division by zero
  const [a, b] = parallel ? [1 - share, share] : [Math.sin((1 - share) * angle) / sine, Math.sin(share * angle) / sine];
  return first.map((value, index) => a * value + b * second[index]);
}
