// The outside of a mesh: a host at an edge, which sends frames, keeps credits and answers ends of timestep, and the ports
// of a host's accesses. Both work like registers: what they give in a cycle follows from what they saw in those before.
// All widths, positions of fields and numbers of registers are defined by synapress/engines/mesh/build.py.
#pragma once
#include <cstring>
#include <deque>
#include <map>
#include <unistd.h>

#include "../words.h"

static constexpr int kWide = (ROW_BITS + 31) / 32;  // 32-bit words of the widest payload, an access of the row stations

static int64_t signed_of(uint64_t word, int low, int bits) { return (int64_t)(word << (64 - low - bits)) >> (64 - bits); }

// Checkpoints: everything that is kept goes through one of these, both ways.
struct Checkpoint {
  FILE *file;
  bool writes;
  template <typename T> void keep(T &value) {
    static_assert(std::is_trivially_copyable_v<T>);
    bytes(&value, sizeof value);
  }
  template <typename C> void keep_all(C &values) {  // std::vector or std::deque of plain values
    uint64_t count = values.size();
    keep(count);
    values.resize(count);
    for (auto &value : values) keep(value);
  }
  void bytes(void *data, size_t size) {
    size_t done = writes ? fwrite(data, 1, size, file) : fread(data, 1, size, file);
    if (done != size) { fprintf(stderr, "the checkpoint cannot be %s\n", writes ? "written" : "read"); exit(2); }
  }
  void keep_file(FILE *output) {  // what was written after the checkpoint will be written again
    uint64_t size = writes ? ftell(output) : 0;
    if (writes) fflush(output);
    keep(size);
    if (!writes && (ftruncate(fileno(output), size) || fseek(output, 0, SEEK_END))) exit(2);
  }
};

struct Core {  // a core with an image
  uint64_t node, edges, populations;
  std::vector<uint64_t> image;
};
struct Job {  // one access, or a row of them at consecutive addresses
  uint64_t node;
  bool is_register, write;
  uint64_t address, count;
  const uint64_t *data;  // of writes: kWordLimbs words each
  uint64_t value;        // instead of `data`
};

struct AccessPort {  // a port of accesses: one that reaches every node, or a node's own
  std::deque<Job> jobs;
  std::vector<uint64_t> answers;  // of readings, in order, kWordLimbs words each
  uint64_t unanswered = 0;
  bool valid = false;
  uint32_t payload[kWide] = {};
  bool busy() const { return valid || unanswered || !jobs.empty(); }
  // A cycle: whether the access that is offered is taken, and a word that has come.
  void step(bool taken, const uint64_t *word, bool through_rows, int columns) {
    if (word) { answers.insert(answers.end(), word, word + kWordLimbs); unanswered--; }
    if (valid && !taken) return;
    valid = !jobs.empty();
    if (!valid) return;
    Job &job = jobs.front();
    std::fill(payload, payload + kWide, 0);
#define FILL(LAYOUT)                                                   \
    put(payload, LAYOUT##_ADDRESS_LOW, ADDRESS_BITS, job.address);     \
    put(payload, LAYOUT##_REGISTER_LOW, 1, job.is_register);           \
    put(payload, LAYOUT##_WRITE_LOW, 1, job.write);                    \
    for (int limb = 0; job.write && limb < kWordLimbs; limb++)             \
      put(payload, LAYOUT##_DATA_LOW + 64 * limb, 64, job.data ? job.data[limb] : limb ? 0 : job.value)
    if (through_rows) {
      FILL(ROW);
      put(payload, ROW_ROW_LOW, HOP_BITS, job.node / columns);
      put(payload, ROW_COLUMN_LOW, HOP_BITS, job.node % columns);
    } else {
      FILL(COLUMN);
    }
#undef FILL
    unanswered += !job.write;
    job.address++;
    if (job.data) job.data += kWordLimbs;
    if (!--job.count) jobs.pop_front();
  }
};

struct EventHost {
  struct Source {  // an input: its axons, and how far its frames are sent
    uint64_t axons, credits, frame = 0, position = 0;
  };
  struct Sink {  // an event ID of the host: several populations may share it
    uint64_t ends, came = 0, frame = 0;
    std::vector<uint64_t> owed;
  };
  std::vector<Source> sources;
  std::map<uint64_t, Sink> sinks;
  std::vector<std::vector<std::vector<uint64_t>>> frames;  // by frame and input
  std::vector<uint64_t> started, finished, ends_of;        // by frame: cycles, and ENDs that have come
  uint64_t ends_per_frame = 0, done = 0, stall_in = 0, stall_out = 0, spread = 0;
  std::deque<uint64_t> credits;  // to be sent: they go first
  // What is offered in this cycle, whether it is a credit, whose it is, and whether an event is taken.
  bool valid = false, is_credit = false, takes = false;
  bool begins = false;  // nothing is sent before
  uint64_t event = 0, source = 0, sent = 0, strange = 0, last_change = 0;
  FILE *out = nullptr;

  bool finished_all() const {
    if (done < frames.size() || valid || !credits.empty()) return false;
    for (const Source &item : sources) if (item.frame < frames.size() || item.credits < item.axons) return false;
    return true;
  }
  bool waits() const { return !valid && credits.empty() && next() < 0; }  // there is nothing to be sent
  // The input that may send: of the earliest frame, and then the first, or if they share the time the one that is behind.
  int next() const {
    int best = -1;
    for (int i = 0; i < (int)sources.size(); i++) {
      const Source &item = sources[i];
      bool may = begins && item.frame < frames.size() && (item.position || item.credits == item.axons);
      if (may && (best < 0 || item.frame < sources[best].frame || (spread && item.frame == sources[best].frame && behind(i, best))))
        best = i;
    }
    return best;
  }
  bool behind(int one, int other) const {  // of a frame: a smaller share of its events is sent
    const uint64_t frame = sources[one].frame;
    return sources[one].position * frames[frame][other].size() < sources[other].position * frames[frame][one].size();
  }
  // A cycle: whether the event that is offered is taken, and one that has come.
  void step(uint64_t cycle, bool taken, const uint64_t *word) {
    if (taken) {
      last_change = cycle;
      sent++;
      if (is_credit) credits.pop_front();
      else advance(cycle);
    }
    if (word) receive(cycle, *word);
    if (!valid || taken) {
      valid = begins && random_byte() >= stall_in;
      if (valid && (is_credit = !credits.empty())) event = credits.front();
      else if (valid) {
        int chosen = next();
        valid = chosen >= 0;
        if (valid) event = frames[sources[chosen].frame][source = chosen][sources[chosen].position];
      }
    }
    takes = random_byte() >= stall_out;
  }
  void advance(uint64_t cycle) {
    Source &item = sources[source];
    if (!item.position) item.credits = 0;
    started[item.frame] = std::min(started[item.frame], cycle);
    if (++item.position == frames[item.frame][source].size()) { item.position = 0; item.frame++; }
  }
  void receive(uint64_t cycle, uint64_t word) {
    last_change = cycle;
    uint64_t kind = bits_of(word, KIND_LOW, KIND_BITS), id = bits_of(word, ID_LOW, ID_BITS), c = bits_of(word, C_LOW, C_BITS);
    if (kind == KIND_CREDIT) {
      if (id < sources.size() && sources[id].credits < sources[id].axons) sources[id].credits++;
      else strange++;
      return;
    }
    auto found = sinks.find(id);
    uint64_t frame = found == sinks.end() ? frames.size() : found->second.frame;
    if (frame >= frames.size()) { strange++; return; }
    uint64_t record[3] = {frame, cycle, word};
    fwrite(record, 8, 3, out);
    if (kind != KIND_END) return;
    Sink &sink = found->second;
    uint64_t x = -signed_of(word, X_LOW, X_BITS), y = -signed_of(word, Y_LOW, Y_BITS);
    sink.owed.push_back((uint64_t)KIND_CREDIT << KIND_LOW | c << ID_LOW | (x & mask_of(CORE_X_BITS)) << CORE_X_LOW
                        | (y & mask_of(CORE_Y_BITS)) << CORE_Y_LOW);
    // Values do not tell their population: those that share an ID get their credits together, and none is a frame ahead.
    if (++sink.came == sink.ends) {
      credits.insert(credits.end(), sink.owed.begin(), sink.owed.end());
      sink.owed.clear();
      sink.came = 0;
      sink.frame++;
    }
    if (++ends_of[frame] == ends_per_frame) finished[frame] = cycle, done++;
  }
  void keep(Checkpoint &file) {
    file.keep_all(sources);
    for (auto &[id, sink] : sinks) { file.keep(sink.came); file.keep(sink.frame); file.keep_all(sink.owed); }
    for (auto *values : {&started, &finished, &ends_of}) file.keep_all(*values);
    file.keep_all(credits);
    for (auto *value : {&done, &event, &source, &sent, &strange, &last_change, &random_state}) file.keep(*value);
    for (auto *flag : {&valid, &is_credit, &takes, &begins}) file.keep(*flag);
    file.keep_file(out);
  }
};

// What a run is given: see synapress/engines/mesh/run.py, which writes it.
struct Setup {
  uint64_t columns, rows, side, place, through_rows, limit, seed, stall_links;
  std::vector<Core> cores;
  EventHost host;
  explicit Setup(const char *path) {
    Input in(path);
    for (auto *value : {&columns, &rows, &side, &place, &through_rows, &limit, &seed, &host.stall_in, &host.stall_out,
                        &host.spread, &stall_links})
      *value = in.next();
    random_state = seed | 1;
    cores.resize(in.next());
    for (Core &core : cores) {
      core.node = in.next();
      core.edges = in.next();
      core.populations = in.next();
      core.image = in.block();
    }
    for (uint64_t count = in.next(); count--;) {
      uint64_t id = in.next(), ends = in.next();
      host.sinks[id].ends = ends;
      host.ends_per_frame += ends;
    }
    for (uint64_t axons : in.block()) host.sources.push_back({axons, axons});
    host.frames.resize(in.next());
    for (auto &frame : host.frames)
      for (size_t i = 0; i < host.sources.size(); i++) frame.push_back(in.block());
    for (auto &source : host.sources) if (!source.axons) source.frame = host.frames.size();  // nobody wants it
    for (auto *values : {&host.started, &host.finished, &host.ends_of}) values->resize(host.frames.size());
    std::fill(host.started.begin(), host.started.end(), ~0ull);
  }
  int port_of(const Core &core) const { return through_rows ? 0 : (int)core.node; }
  int ports() const { return through_rows ? 1 : (int)(columns * rows); }
};
