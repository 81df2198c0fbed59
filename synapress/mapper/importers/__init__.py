"""The front ends: a float model from a file, its reference, and the layers that the quantizer takes.

`onnx_reader` and `nir_reader` (with `neurons`) read a file into a `graph.FloatGraph`; `reference` evaluates that in
numpy; `fuse` (with `resampling`) folds it into sums of convolutions with an activation, the form of the hardware;
`synapress.mapper.quantization.quantize` makes integers of them.
"""
