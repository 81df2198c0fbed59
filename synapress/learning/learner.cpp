// A compiled learner and its memories: takes phases of requests from a pipe, and answers with sums and counts. Driven by
// synapress/learning/hardware.py, which defines READ_LATENCY, LAYER_BITS, REQUEST_BITS, ADDRESS_BITS and KINDS.
#include "Vlearner.h"
#include "reader.h"
#include "verilated.h"
#include "words.h"

static Vlearner *learner;
static uint64_t cycle = 0, stall = 0, limit = 0;
static bool stalls() { return stall && random_byte() < stall; }

static uint64_t next() {
  uint64_t value = 0;
  if (fread(&value, 8, 1, stdin) != 1) exit(0);  // nobody asks any more
  return value;
}
static std::vector<uint64_t> block() {
  std::vector<uint64_t> values(next());
  for (uint64_t &value : values) value = next();
  return values;
}
static void put(uint64_t value) { fwrite(&value, 8, 1, stdout); }

struct Words {  // a memory; beyond its end are zeros
  std::vector<uint64_t> words;
  uint64_t read(uint64_t address) const { return address < words.size() ? words[address] : 0; }
};
static Words index_words, weight_words;
static Reader index_reader, weight_reader;
static uint64_t counts[KINDS + 2];  // by kind of access, then errors and synapses without a sum

// One cycle; the ports of requests and of the learner's own memories have been set.
static void step() {
  learner->PORT(index, ready) = index_reader.ready = !stalls();
  learner->PORT(weight, ready) = weight_reader.ready = !stalls();
  learner->PORT(write, ready) = !stalls();
  learner->eval();
  const uint64_t index = index_reader.step(index_words, learner->PORT(index, valid), learner->PORT(index, address));
  const uint64_t weight = weight_reader.step(weight_words, learner->PORT(weight, valid), learner->PORT(weight, address));
  if (learner->PORT(write, valid) && learner->PORT(write, ready)) {
    const auto &given = learner->PORT(write, payload);
    const uint64_t address = get(given, 0, ADDRESS_BITS), mask = get(given, ADDRESS_BITS + 64, 64);
    if (address >= weight_words.words.size()) { fprintf(stderr, "a weight is written beyond the weights\n"); exit(3); }
    uint64_t &word = weight_words.words[address];
    word = (word & ~mask) | (get(given, ADDRESS_BITS, 64) & mask);
  }
  counts[0] += learner->index_read;
  counts[1] += learner->bitmap_read;
  counts[2] += learner->weight_read;
  counts[3] += learner->weight_write;
  counts[4] += learner->error;
  counts[5] += learner->beyond;
  learner->clk = !learner->clk;
  learner->eval();
  cycle++;
  learner->PORT(index, data) = index;
  learner->PORT(weight, data) = weight;
}

static void wait_for(bool ready, uint64_t since) {
  if (!ready && cycle - since > limit) { fprintf(stderr, "nothing moves any more\n"); exit(3); }
}

#define ENTRIES(name)                                                                      \
  static void set_##name(uint64_t address, uint64_t value) {                               \
    const uint64_t since = cycle;                                                          \
    learner->PORT(name, valid) = learner->PORT(name, write) = 1;                           \
    learner->PORT(name, address) = address;                                                \
    learner->PORT(name, write_data) = value;                                               \
    bool taken = false;                                                                    \
    while (!taken) {                                                                       \
      learner->eval();                                                                     \
      taken = learner->PORT(name, ready);                                                  \
      step();                                                                              \
      wait_for(taken, since);                                                              \
    }                                                                                      \
    learner->PORT(name, valid) = learner->PORT(name, write) = 0;                           \
  }
ENTRIES(traces)
ENTRIES(sums)

static uint64_t sum(uint64_t address) {
  learner->PORT(sums, valid) = 1;
  learner->PORT(sums, address) = address;
  step();  // nothing is inside, so it is ready
  learner->PORT(sums, valid) = 0;
  learner->eval();
  return learner->PORT(sums, data);
}

// Requests until nothing is inside; returns the cycles.
static uint64_t run(const std::vector<uint64_t> &requests) {
  const uint64_t begun = cycle;
  size_t taken = 0;
  bool offered = false;
  uint64_t since = cycle;
  do {
    offered = offered || (taken < requests.size() && !stalls());
    learner->PORT(request, valid) = offered;
    if (offered) put(learner->PORT(request, payload), 0, REQUEST_BITS, requests[taken]);
    learner->eval();
    const bool takes = offered && learner->PORT(request, ready);
    step();
    if (takes) {
      taken++;
      offered = false;
      since = cycle;
    }
    wait_for(false, since);
    learner->PORT(request, valid) = 0;
    learner->eval();
  } while (taken < requests.size() || learner->busy);
  return cycle - begun;
}

int main() {
  stall = next();
  random_state = next() | 1;
  limit = next();
  const std::vector<uint64_t> layer = block();
  learner = new Vlearner;
  learner->clk = 0;
  for (size_t limb = 0; limb < layer.size(); limb++)
    put(learner->layer, 64 * limb, std::min<int>(64, LAYER_BITS - 64 * limb), layer[limb]);
  learner->rule = next();
  const uint64_t seed = next();
  index_words.words = block();
  weight_words.words = block();
  learner->eval();
  for (int i = 0; i < 4; i++) step();
  learner->load = 1;
  learner->seed = seed;
  step();
  learner->load = 0;
  for (;;) {
    const uint64_t asked = next();
    if (asked == 2) {  // the weights as they are, and the random numbers' state
      for (uint64_t word : weight_words.words) put(word);
      put(learner->state);
    } else {  // a phase: sums are cleared, traces set, requests run, and sums read
      const uint64_t sums = next();
      const std::vector<uint64_t> traces = block(), requests = block();
      for (uint64_t i = 0; i < sums; i++) set_sums(i, 0);
      for (uint64_t i = 0; i < traces.size(); i++) set_traces(i, traces[i]);
      for (uint64_t &count : counts) count = 0;
      const uint64_t cycles = run(requests);
      for (uint64_t i = 0; i < sums; i++) put(sum(i));
      for (uint64_t count : counts) put(count);
      put(cycles);
    }
    fflush(stdout);
  }
}
