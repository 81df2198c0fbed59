// Runs the neurons of one layer through compiled hardware whose memories are files of 64-bit words, of any size: tables
// are mapped, and read as the hardware asks for them. Driven by synapress/engines/served/run.py, which defines KIND,
// SOURCE_BITS, LAYER_BITS and READ_LATENCY.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "Vlayer.h"
#include "reader.h"
#include "verilated.h"
#include "words.h"

#define FLAT 0
#define HIERARCHICAL 1
#define COMPUTED 2

static Vlayer *layer;
static uint64_t cycle = 0, stall = 0;
static bool stalls() { return stall && random_byte() < stall; }

struct File {  // a memory; beyond its end are zeros
  uint64_t *words = nullptr;
  uint64_t count = 0;
  File(const std::string &path, bool writable) {
    int file = open(path.c_str(), writable ? O_RDWR : O_RDONLY);
    struct stat status;
    if (file < 0 || fstat(file, &status)) { fprintf(stderr, "cannot read %s\n", path.c_str()); exit(2); }
    count = status.st_size / 8;
    if (!count) return;
    void *place = mmap(nullptr, count * 8, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, file, 0);
    if (place == MAP_FAILED) { fprintf(stderr, "cannot map %s\n", path.c_str()); exit(2); }
    words = (uint64_t *)place;
    close(file);
  }
  uint64_t read(uint64_t address) const { return address < count ? words[address] : 0; }
  void write(uint64_t address, uint64_t word) {
    if (address >= count) { fprintf(stderr, "a state is written beyond the states\n"); exit(3); }
    words[address] = word;
  }
};

#if KIND == FLAT
#define READERS R(source_index, source_index) R(source_entry, source_entry) R(state, states)
#elif KIND == HIERARCHICAL
#define READERS R(source_index, source_index) R(source_entry, source_entry) R(index, index) R(entry, entry) R(state, states)
#else
#define READERS R(axon, axons) R(descriptor, states) R(weight, states) R(state, states)
#endif

int main(int argc, char **argv) {
  if (argc != 2) { fprintf(stderr, "usage: %s FOLDER\n", argv[0]); return 2; }
  const std::string folder = std::string(argv[1]) + "/";
  Input in((folder + "input").c_str());
  stall = in.next();
  random_state = in.next() | 1;
  const uint64_t limit = in.next(), every = in.next();
  std::vector<uint64_t> source = in.block(), destination = in.block(), neurons = in.block();
  File states(folder + "states", true);
#if KIND == COMPUTED
  File axons(folder + "axons", false);
#else
  File source_index(folder + "source_index", false), source_entry(folder + "source_entry", false);
#endif
#if KIND == HIERARCHICAL
  File index(folder + "index", false), entry(folder + "entry", false);
#endif
#define R(port, file) Reader port##_reader;
  READERS
#undef R

  layer = new Vlayer;
  layer->clk = 0;
  layer->PORT(neuron, valid) = 0;
#if KIND == COMPUTED
  layer->edges = source.at(0);
  layer->populations = source.at(1);
  layer->PORT(write_back, ready) = 1;
#else
  for (size_t limb = 0; limb < source.size(); limb++)
    put(layer->source, 64 * limb, std::min<int>(64, SOURCE_BITS - 64 * limb), source[limb]);
#if KIND == HIERARCHICAL
  for (size_t limb = 0; limb < destination.size(); limb++)
    put(layer->destination, 64 * limb, std::min<int>(64, LAYER_BITS - 64 * limb), destination[limb]);
#endif
  layer->drain = 0;
#endif
  uint64_t taken = 0, first = 0, last = 0, moved = 0, events = 0, synapses = 0, operations = 0, errors = 0, writes = 0;
  bool offered = false, write_pending = false;
  uint64_t write_address = 0;
  auto tick = [&] { layer->clk = !layer->clk; layer->eval(); cycle++; };
  layer->eval();
  for (int i = 0; i < 4; i++) tick();
  uint64_t idle = 0;
  while (idle < 8) {
    if (!offered && taken < neurons.size() && !stalls()) offered = true;
    layer->PORT(neuron, valid) = offered;
    if (taken < neurons.size()) layer->PORT(neuron, payload) = neurons[taken];
#if KIND != COMPUTED
    layer->drain = taken == neurons.size();
#endif
#define R(port, file) layer->PORT(port, ready) = port##_reader.ready = !stalls();
    READERS
#undef R
    layer->eval();
    // What happens at the edge that ends this cycle: a write of the cycle before, then reads, then writes.
#if KIND == COMPUTED
    if (write_pending) {
      states.write(write_address, layer->PORT(write_back, write_data));
      writes++;
      moved = last = cycle;
    }
    write_pending = layer->PORT(write_back, valid);
    write_address = layer->PORT(write_back, address);
    synapses += layer->synapses;
    operations += layer->word_operation;
#else
    synapses += layer->synapse;
#endif
    if (layer->sent) { events++; moved = cycle; }
    errors += layer->error;
    const bool takes = offered && layer->PORT(neuron, ready);
#define R(port, file) const uint64_t port##_word = port##_reader.step(file, layer->PORT(port, valid), layer->PORT(port, address));
    READERS
#undef R
#if KIND != COMPUTED
    if (layer->PORT(write, valid)) {
      states.write(layer->PORT(write, address), layer->PORT(write, data));
      writes++;
      moved = last = cycle;
    }
#endif
    if (takes) {
      if (!taken) first = cycle;
      taken++;
      offered = false;
      moved = cycle;
      if (every && taken % every == 0) fprintf(stderr, "neurons %llu\n", (unsigned long long)taken);
    }
    idle = taken == neurons.size() && !offered && !layer->busy && !write_pending ? idle + 1 : 0;
    if (cycle - moved > limit) { fprintf(stderr, "nothing moves any more\n"); return 3; }
    tick();
#define R(port, file) layer->PORT(port, data) = port##_word;
    READERS
#undef R
  }
  Output out(folder + "output");
  out.put(neurons.empty() || last < first ? 0 : last - first + 1);
  for (uint64_t value : {taken, events, synapses, operations, errors, writes}) out.put(value);
#define R(port, file) out.put(port##_reader.reads);
  READERS
#undef R
  layer->final();
  delete layer;
  return 0;
}
