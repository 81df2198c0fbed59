// What every C++ host of a compiled core needs: files of 64-bit words, ports, the clock, and accesses through the host port.
// Widths, positions of fields and numbers of registers are defined by synapress/engines/verilated.py.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <type_traits>
#include <vector>

#include "Vcore.h"
#include "verilated.h"

static constexpr int kWordLimbs = WORD_BITS / 64;

// Verilator writes the second of two underscores in a name as its character code.
#define PORT(stream, part) stream##___05F##part

// Verilator gives ports up to 64 bits as integers and wider ones as arrays of 32-bit words.
template <typename T> static void put(T &port, int low, int bits, uint64_t value) {
  if constexpr (std::is_integral_v<T>) {
    uint64_t mask = (bits == 64 ? ~0ull : ((1ull << bits) - 1)) << low;
    port = (T)((port & ~mask) | ((value << low) & mask));
  } else {
    for (int i = 0; i < bits; i++) {
      int at = low + i;
      uint32_t bit = 1u << (at % 32);
      port[at / 32] = (port[at / 32] & ~bit) | (((value >> i) & 1) ? bit : 0);
    }
  }
}
template <typename T> static uint64_t get(const T &port, int low, int bits) {
  if constexpr (std::is_integral_v<T>) {
    uint64_t value = (uint64_t)port >> low;
    return bits == 64 ? value : value & ((1ull << bits) - 1);
  } else {
    uint64_t value = 0;
    for (int i = 0; i < bits; i++) value |= (uint64_t)((port[(low + i) / 32] >> ((low + i) % 32)) & 1) << i;
    return value;
  }
}
static uint64_t bits_of(uint64_t word, int low, int bits) { return (word >> low) & ((1ull << bits) - 1); }

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

static Vcore *core;
static uint64_t cycle = 0;
static uint64_t random_state;

static uint32_t random_byte() {  // xorshift: the stalls must be the same on every machine
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (random_state >> 32) & 255;
}
static void settle() { core->eval(); }
static void tick() {
  core->clk = 1;
  core->eval();
  core->clk = 0;
  core->eval();
  cycle++;
}
static void reset() {
  core = new Vcore;
  core->rst = 1;
  core->PORT(event_in, valid) = core->PORT(event_out, ready) = core->PORT(host, valid) = core->PORT(host_data, ready) = 0;
  settle();
  for (int i = 0; i < 4; i++) tick();
  core->rst = 0;
  settle();
}
static void access(uint64_t address, bool is_register, bool write, const uint64_t *data) {
  auto &payload = core->PORT(host, payload);
  put(payload, REQUEST_ADDRESS_LOW, ADDRESS_BITS, address);
  put(payload, REQUEST_REGISTER_LOW, 1, is_register);
  put(payload, REQUEST_WRITE_LOW, 1, write);
  for (int limb = 0; limb < kWordLimbs; limb++) put(payload, REQUEST_DATA_LOW + 64 * limb, 64, data ? data[limb] : 0);
  core->PORT(host, valid) = 1;
  for (settle(); !core->PORT(host, ready); settle()) tick();
  tick();
  core->PORT(host, valid) = 0;
  settle();
}
static void write_register(uint64_t address, uint64_t value) {
  uint64_t data[kWordLimbs] = {value};
  access(address, true, true, data);
}
static void load(const std::vector<uint64_t> &words) {
  for (uint64_t address = 0; address < words.size() / kWordLimbs; address++)
    access(address, false, true, &words[address * kWordLimbs]);
}
static std::vector<uint64_t> read(uint64_t address, bool is_register) {
  access(address, is_register, false, nullptr);
  core->PORT(host_data, ready) = 1;
  for (settle(); !core->PORT(host_data, valid); settle()) tick();
  std::vector<uint64_t> data;
  for (int limb = 0; limb < kWordLimbs; limb++) data.push_back(get(core->PORT(host_data, payload), 64 * limb, 64));
  tick();
  core->PORT(host_data, ready) = 0;
  settle();
  return data;
}
