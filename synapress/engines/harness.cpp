// Runs a compiled event core over frames of events, playing the host: loads the image, keeps credits, answers the
// core's ends of timestep with credits, and records everything that comes out. Driven by synapress/engines/verilated.py, which
// defines all widths, positions of fields and numbers of registers from the Python modules, and reads the files written here.
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

int main(int argc, char **argv) {
  if (argc != 3) { fprintf(stderr, "usage: %s INPUT OUTPUT_PREFIX\n", argv[0]); return 2; }
  Input in(argv[1]);
  std::string prefix = argv[2];
  uint64_t edges = in.next(), populations = in.next(), outputs = in.next(), inputs = in.next();
  uint64_t stall_in = in.next(), stall_out = in.next(), limit = in.next();
  random_state = in.next() | 1;
  std::vector<uint64_t> image = in.block();
  uint64_t frames = in.next();

  core = new Vcore;
  core->rst = 1;
  core->PORT(event_in, valid) = core->PORT(event_out, ready) = core->PORT(host, valid) = core->PORT(host_data, ready) = 0;
  settle();
  for (int i = 0; i < 4; i++) tick();
  core->rst = 0;
  settle();
  for (uint64_t address = 0; address < image.size() / kWordLimbs; address++)
    access(address, false, true, &image[address * kWordLimbs]);
  write_register(REGISTER_EDGES, edges);
  write_register(REGISTER_POPULATIONS, populations);
  write_register(REGISTER_CONTROL, CONTROL_RUN);
  while (!(read(REGISTER_STATUS, true)[0] & STATUS_READY)) {}
  write_register(REGISTER_CLEAR, 0);

  // Only now do both streams run side by side, cycle by cycle.
  Output out_events(prefix + ".events"), out_trace(prefix + ".trace"), out_starts(prefix + ".starts"), out_finishes(prefix + ".finishes");
  std::vector<uint64_t> owed;                       // credits that the core waits for
  uint64_t credits = inputs, ends = 0, sent = 0, last_change = cycle;
  std::vector<uint64_t> frame = frames ? in.block() : std::vector<uint64_t>();
  size_t position = 0;
  bool offered = false, spent = false;
  uint64_t event = 0;
  bool is_owed = false;
  while (ends < frames * outputs || !owed.empty() || offered || sent < frames || credits < inputs) {
    if (!offered && random_byte() >= stall_in) {
      if (!owed.empty()) {
        event = owed.front();
        is_owed = offered = true;
      } else if (sent < frames && (spent || credits == inputs)) {
        if (!spent) { spent = true; credits = 0; out_starts.put(cycle); }
        if (position < frame.size()) {
          event = frame[position];
          is_owed = false;
          offered = true;
        }
      }
    }
    core->PORT(event_in, valid) = offered;
    core->PORT(event_in, payload) = event;
    core->PORT(event_out, ready) = random_byte() >= stall_out;
    settle();
    if (get(core->evaluated, EVALUATED_VALID_LOW, 1)) {
      out_trace.put(get(core->evaluated, EVALUATED_ADDRESS_LOW, ADDRESS_BITS));
      for (int limb = 0; limb < kWordLimbs; limb++) out_trace.put(get(core->evaluated, EVALUATED_STATE_LOW + 64 * limb, 64));
    }
    if (core->PORT(event_out, valid) && core->PORT(event_out, ready)) {
      uint64_t word = core->PORT(event_out, payload);
      last_change = cycle;
      uint64_t kind = bits_of(word, KIND_LOW, KIND_BITS);
      if (kind == KIND_CREDIT) {
        credits++;
      } else {
        out_events.put(word);
        if (kind == KIND_END) {
          ends++;
          owed.push_back(((uint64_t)KIND_CREDIT << KIND_LOW) | (bits_of(word, C_LOW, C_BITS) << ID_LOW));
          if (outputs && ends % outputs == 0) {
            out_finishes.put(cycle);
            fprintf(stderr, "frame %llu\n", (unsigned long long)(ends / outputs));
          }
        }
      }
    }
    bool taken = core->PORT(event_in, valid) && core->PORT(event_in, ready);
    tick();
    if (taken) {
      last_change = cycle;
      offered = false;
      if (is_owed) owed.erase(owed.begin());
      else if (++position == frame.size()) {
        sent++;
        position = 0;
        spent = false;
        if (sent < frames) frame = in.block();
      }
    }
    if (cycle - last_change > limit) {
      fprintf(stderr, "no event for %llu cycles: the core hangs\n", (unsigned long long)limit);
      return 3;
    }
  }
  core->PORT(event_in, valid) = 0;
  core->PORT(event_out, ready) = 1;
  settle();
  for (int i = 0; !(read(REGISTER_STATUS, true)[0] & STATUS_IDLE); i++)
    if (i > 100000) { fprintf(stderr, "the core does not become idle\n"); return 3; }

  Output out_counters(prefix + ".counters");
  for (int i = 0; i < COUNTERS; i++) out_counters.put(read(REGISTER_COUNTERS + i, true)[0]);
  Output out_memory(prefix + ".memory");
  for (uint64_t address = 0; address < (1ull << ADDRESS_BITS); address++)
    for (uint64_t limb : read(address, false)) out_memory.put(limb);
  core->final();
  delete core;
  return 0;
}
