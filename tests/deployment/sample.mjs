import { readFileSync, writeFileSync } from "node:fs";
import * as ort from "onnxruntime-web";

const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
const session = await ort.InferenceSession.create(readFileSync("mnist.onnx"));
const latents = new ort.Tensor("float32", Float32Array.from({ length: 10 * 64 }, normal), [10, 64]);
const labels = new ort.Tensor("int32", Int32Array.from({ length: 10 }, (_, label) => label), [10]);
const { images } = await session.run({ latents, labels }); // float32 [10, 28, 28, 1] in [-1, 1]
const pixels = Uint8Array.from(images.data, (value) => Math.round((value + 1) * 127.5));
writeFileSync("samples.pgm", Buffer.concat([Buffer.from("P5 28 280 255\n"), pixels])); // ten digits, from top to bottom
