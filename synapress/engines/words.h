// Files of 64-bit words, fields of ports, and random pauses: for every C++ host of a compiled model.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <type_traits>
#include <vector>

static constexpr int kWordLimbs = WORD_BITS / 64;  // of a memory word

// Verilator gives ports up to 64 bits as integers and wider ones as arrays of 32-bit words.
static constexpr uint64_t mask_of(int bits) { return bits == 64 ? ~0ull : (1ull << bits) - 1; }
template <typename T> static void put(T &port, int low, int bits, uint64_t value) {
  if constexpr (std::is_integral_v<T>) {
    uint64_t mask = mask_of(bits) << low;
    port = (T)((port & ~mask) | ((value << low) & mask));
  } else {
    for (int done = 0; done < bits;) {  // as many bits at once as lie in one word of the array
      int at = low + done, shift = at % 32, count = std::min(32 - shift, bits - done);
      uint32_t mask = (uint32_t)mask_of(count) << shift;
      port[at / 32] = (port[at / 32] & ~mask) | (((uint32_t)(value >> done) << shift) & mask);
      done += count;
    }
  }
}
template <typename T> static uint64_t get(const T &port, int low, int bits) {
  if constexpr (std::is_integral_v<T>) {
    return ((uint64_t)port >> low) & mask_of(bits);
  } else {
    uint64_t value = 0;
    for (int done = 0; done < bits;) {
      int at = low + done, shift = at % 32, count = std::min(32 - shift, bits - done);
      value |= (uint64_t)((port[at / 32] >> shift) & (uint32_t)mask_of(count)) << done;
      done += count;
    }
    return value;
  }
}
static uint64_t bits_of(uint64_t word, int low, int bits) { return (word >> low) & ((1ull << bits) - 1); }

static uint64_t random_state;
static uint32_t random_byte() {  // xorshift: the stalls must be the same on every machine
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (random_state >> 32) & 255;
}

struct Input {
  FILE *file;
  explicit Input(const char *path) : file(fopen(path, "rb")) {
    if (!file) { fprintf(stderr, "cannot read %s\n", path); exit(2); }
  }
  uint64_t next() {
    uint64_t value = 0;
    if (fread(&value, 8, 1, file) != 1) { fprintf(stderr, "input ends early\n"); exit(2); }
    return value;
  }
  std::vector<uint64_t> block() {
    std::vector<uint64_t> values(next());
    if (!values.empty() && fread(values.data(), 8, values.size(), file) != values.size()) exit(2);
    return values;
  }
};
struct Output {
  FILE *file;
  explicit Output(const std::string &path) : file(fopen(path.c_str(), "wb")) {
    if (!file) { fprintf(stderr, "cannot write %s\n", path.c_str()); exit(2); }
  }
  ~Output() { fclose(file); }
  void put(uint64_t value) { fwrite(&value, 8, 1, file); }
};
