// Runs one frame through a compiled event core for each of many memory images that differ from a good one in a few
// words, then stops the core, reads the memory back, loads the good image again and runs the frame once more. Driven by
// studies/flipped_bits.py.
#include "host.h"

struct Frame {
  std::vector<uint64_t> events;  // what came out: credits, values, ends
  std::vector<uint64_t> when;    // and in which cycle of the frame
  uint64_t cycles = 0, ends = 0, credits = 0, status = 0;
  bool quiet = false;
};

// All of memory, a word per cycle.
static std::vector<uint64_t> read_memory() {
  auto &payload = core->PORT(host, payload);
  std::vector<uint64_t> words;
  put(payload, REQUEST_REGISTER_LOW, 1, 0);
  put(payload, REQUEST_WRITE_LOW, 1, 0);
  core->PORT(host_data, ready) = 1;
  for (uint64_t asked = 0; words.size() < (uint64_t)kWordLimbs << ADDRESS_BITS;) {
    core->PORT(host, valid) = asked < 1ull << ADDRESS_BITS;
    put(payload, REQUEST_ADDRESS_LOW, ADDRESS_BITS, asked);
    settle();
    asked += core->PORT(host, valid) && core->PORT(host, ready);
    if (core->PORT(host_data, valid))
      for (int limb = 0; limb < kWordLimbs; limb++) words.push_back(get(core->PORT(host_data, payload), 64 * limb, 64));
    tick();
  }
  core->PORT(host, valid) = core->PORT(host_data, ready) = 0;
  settle();
  return words;
}

static void start() {
  write_register(REGISTER_CLEAR, 0);
  write_register(REGISTER_CONTROL, CONTROL_RUN);
  for (int tries = 0; !(read(REGISTER_STATUS, true)[0] & STATUS_READY); tries++)
    if (tries > 100000) { fprintf(stderr, "the core does not start\n"); exit(3); }
}

static void stop() {
  core->PORT(event_out, ready) = 1;
  write_register(REGISTER_CONTROL, 0);
  for (int tries = 0; read(REGISTER_STATUS, true)[0] != STATUS_IDLE; tries++)
    if (tries > 1000) { fprintf(stderr, "the core does not stop\n"); exit(3); }
  core->PORT(event_out, ready) = 0;
  settle();
}

// A frame, as a host that follows the rules sends it; until the core says that it is idle, or `bound` cycles are over.
static Frame run(const std::vector<uint64_t> &frame, uint64_t bound) {
  Frame result;
  std::vector<uint64_t> owed;
  size_t position = 0, paid = 0;
  bool asking = false, waiting = false;
  uint64_t first = cycle, change = cycle, asked = 0;
  auto &payload = core->PORT(host, payload);
  put(payload, REQUEST_REGISTER_LOW, 1, 1);
  put(payload, REQUEST_WRITE_LOW, 1, 0);
  put(payload, REQUEST_ADDRESS_LOW, ADDRESS_BITS, REGISTER_STATUS);
  core->PORT(event_out, ready) = core->PORT(host_data, ready) = 1;
  while (!result.quiet && cycle - first <= bound) {
    bool credit = paid < owed.size(), more = credit || position < frame.size();
    core->PORT(event_in, valid) = more;
    if (more) core->PORT(event_in, payload) = credit ? owed[paid] : frame[position];
    if (!asking && !waiting && !more) { asking = true; asked = cycle; }
    core->PORT(host, valid) = asking;
    settle();
    if (core->PORT(event_out, valid)) {
      uint64_t word = core->PORT(event_out, payload), kind = bits_of(word, KIND_LOW, KIND_BITS);
      change = cycle;
      result.events.push_back(word);
      result.when.push_back(cycle - first);
      result.credits += kind == KIND_CREDIT;
      if (kind == KIND_END) {
        result.ends++;
        owed.push_back(((uint64_t)KIND_CREDIT << KIND_LOW) | (bits_of(word, C_LOW, C_BITS) << ID_LOW));
      }
    }
    if (more && core->PORT(event_in, ready)) {
      change = cycle;
      credit ? paid++ : position++;
    }
    if (waiting && core->PORT(host_data, valid)) {
      waiting = false;
      result.status = get(core->PORT(host_data, payload), 0, 64);
      result.quiet = (result.status & STATUS_IDLE) && asked > change;
    }
    if (asking && core->PORT(host, ready)) { asking = false; waiting = true; }
    tick();
  }
  core->PORT(event_in, valid) = core->PORT(host, valid) = 0;
  settle();
  while (waiting && !core->PORT(host_data, valid)) tick();
  if (waiting) tick();
  core->PORT(host_data, ready) = core->PORT(event_out, ready) = 0;
  settle();
  result.cycles = cycle - first;
  return result;
}

/* Starts the core at a fixed distance from the turns of its scratch memory, which do not stop with it: a frame takes the
   same cycles then. A counter is read in its turn. */
static void start_in_step() {
  read(REGISTER_COUNTERS, true);
  start();
}

int main(int argc, char **argv) {
  if (argc != 3) { fprintf(stderr, "usage: %s INPUT OUTPUT\n", argv[0]); return 2; }
  Input in(argv[1]);
  Output out(argv[2]);
  uint64_t edges = in.next(), populations = in.next(), bound = in.next();
  const std::vector<uint64_t> good = in.block(), frame = in.block();
  uint64_t images = in.next();

  start_up();
  write_register(REGISTER_EDGES, edges);
  write_register(REGISTER_POPULATIONS, populations);
  load(good);
  start_in_step();
  Frame reference = run(frame, bound);
  stop();
  out.put(reference.status);
  out.put(reference.cycles);
  out.put(reference.ends);
  out.put(reference.credits);
  out.put(reference.events.size());
  for (uint64_t word : reference.events) out.put(word);

  for (uint64_t number = 0; number < images; number++) {
    std::vector<uint64_t> image = good, patches = in.block();
    for (size_t i = 0; i < patches.size(); i += 1 + kWordLimbs)
      for (int limb = 0; limb < kWordLimbs; limb++) image[patches[i] * kWordLimbs + limb] = patches[i + 1 + limb];
    load(image);
    start();
    Frame result = run(frame, bound);
    std::vector<uint64_t> counters;
    for (int i = 0; i < COUNTERS; i++) counters.push_back(read(REGISTER_COUNTERS + i, true)[0]);
    stop();
    std::vector<uint64_t> memory = read_memory(), changed;
    for (uint64_t address = 0; address < memory.size() / kWordLimbs; address++) {
      bool differs = false;
      for (int limb = 0; limb < kWordLimbs; limb++)
        differs |= memory[address * kWordLimbs + limb] != image[address * kWordLimbs + limb];
      if (differs) changed.push_back(address);
    }
    load(good);
    start_in_step();
    Frame again = run(frame, bound);
    stop();
    out.put(result.quiet);
    out.put(result.status);
    out.put(result.cycles);
    out.put(result.ends);
    out.put(result.credits);
    out.put(again.events == reference.events && again.when == reference.when && again.quiet);
    for (uint64_t value : counters) out.put(value);
    out.put(changed.size());
    for (uint64_t address : changed) out.put(address);
  }
  core->final();
  delete core;
  return 0;
}
