"""The reader of ONNX files.

Whoever imports a module of this package finds the operators declared: so it does not matter whether a user declares or
withdraws one before or after the first file is read.
"""

from synapress.mapper.importers.onnx import operators as operators
