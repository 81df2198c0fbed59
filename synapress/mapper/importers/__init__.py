"""The importers: a float model from a file, its reference, and the layers that the quantizer takes.

`onnx.reader` and `nir.reader` (with `neurons`) read a file into a `graph.FloatGraph`; `reference` evaluates that in
numpy. `synapress.mapper.lowering.fuse` folds it into sums of convolutions with an activation, the form of the hardware;
`synapress.mapper.quantization.quantize` quantizes them.
"""
