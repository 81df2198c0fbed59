// What every C++ host of a compiled core needs: its ports, the clock, and accesses through the host port.
// Widths, positions of fields and numbers of registers are defined by synapress/engines/verilated.py.
#pragma once
#include "Vcore.h"
#include "verilated.h"
#include "words.h"

// Verilator writes the second of two underscores in a name as its character code.
#define PORT(stream, part) stream##___05F##part

static Vcore *core;
static uint64_t cycle = 0;
static void settle() { core->eval(); }
// Both edges of the model's clock count (cycle_model.py). What comes out is settled afterwards, until an input changes.
static void tick() {
  core->clk = !core->clk;
  core->eval();
  cycle++;
}
// The model has no reset: its registers start with their reset values.
static void start_up() {
  core = new Vcore;
  core->clk = 0;
  core->PORT(event_in, valid) = core->PORT(event_out, ready) = core->PORT(host, valid) = core->PORT(host_data, ready) = 0;
  settle();
  for (int i = 0; i < 4; i++) tick();
}
static void access(uint64_t address, bool is_register, bool write, const uint64_t *data) {
  auto &payload = core->PORT(host, payload);
  put(payload, REQUEST_ADDRESS_LOW, ADDRESS_BITS, address);
  put(payload, REQUEST_REGISTER_LOW, 1, is_register);
  put(payload, REQUEST_WRITE_LOW, 1, write);
  for (int limb = 0; limb < kWordLimbs; limb++) put(payload, REQUEST_DATA_LOW + 64 * limb, 64, data ? data[limb] : 0);
  core->PORT(host, valid) = 1;
  for (settle(); !core->PORT(host, ready);) tick();
  tick();
  core->PORT(host, valid) = 0;  // who looks at what comes out settles first
}
static void write_register(uint64_t address, uint64_t value) {
  uint64_t data[kWordLimbs] = {value};
  access(address, true, true, data);
}
static void load(const std::vector<uint64_t> &words) {
  for (uint64_t address = 0; address < words.size() / kWordLimbs; address++)
    access(address, false, true, &words[address * kWordLimbs]);
}
// Of a model that has just started, whose memory holds zeros: those of the image need no cycles.
static void load_first(const std::vector<uint64_t> &words) {
  for (uint64_t address = 0; address < words.size() / kWordLimbs; address++) {
    const uint64_t *word = &words[address * kWordLimbs];
    if (std::any_of(word, word + kWordLimbs, [](uint64_t limb) { return limb; })) access(address, false, true, word);
  }
}
static std::vector<uint64_t> read(uint64_t address, bool is_register) {
  access(address, is_register, false, nullptr);
  core->PORT(host_data, ready) = 1;
  for (settle(); !core->PORT(host_data, valid);) tick();
  std::vector<uint64_t> data;
  for (int limb = 0; limb < kWordLimbs; limb++) data.push_back(get(core->PORT(host_data, payload), 64 * limb, 64));
  tick();
  core->PORT(host_data, ready) = 0;
  return data;
}
