// A read port of compiled hardware: for hosts whose memories are files or vectors. The host defines READ_LATENCY.
#pragma once
#include <cstdint>

// Verilator writes the second of two underscores in a name as its character code.
#define PORT(stream, part) stream##___05F##part

struct Reader {  // its word comes READ_LATENCY cycles after the access
  uint64_t coming[READ_LATENCY] = {}, reads = 0;
  bool ready = false;
  // `before` an edge the access is taken; the return value is on the port in the cycle behind it.
  template <typename Memory> uint64_t step(const Memory &memory, bool valid, uint64_t address) {
    uint64_t word = 0;
    if (valid && ready) { word = memory.read(address); reads++; }
    for (int i = 0; i + 1 < READ_LATENCY; i++) coming[i] = coming[i + 1];
    coming[READ_LATENCY - 1] = word;
    return coming[0];
  }
};
