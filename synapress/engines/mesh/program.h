// What a simulation of a mesh does, whatever the mesh is made of: load, start, frames, counters, memories. Driven by
// synapress/engines/mesh/run.py, which reads what is written here. Mesh: `nodes.h`.
#pragma once
#include <chrono>
#include <ctime>
#include <functional>

static constexpr uint64_t kBatch = 2048;  // cycles between looks at the clock, the watchdog and the shares of the threads
static constexpr int kHung = 3, kStopped = 4;

struct Options {
  std::map<std::string, std::string> given;
  Options(int count, char **items) {
    for (int i = 0; i < count; i++) {
      std::string item = items[i];
      size_t at = item.find('=');
      given[item.substr(0, at)] = item.substr(at + 1);
    }
  }
  uint64_t number(const char *name, uint64_t otherwise) const {
    auto found = given.find(name);
    return found == given.end() ? otherwise : std::stoull(found->second);
  }
  bool resumes() const {  // there is a checkpoint
    const std::string path = text("checkpoint");
    FILE *file = path.empty() ? nullptr : fopen(path.c_str(), "rb");
    if (file) fclose(file);
    return file;
  }
  std::string text(const char *name) const {
    auto found = given.find(name);
    return found == given.end() ? "" : found->second;
  }
};

template <typename Mesh> struct Program {
  Setup &setup;
  Mesh &mesh;
  const Options &options;
  std::string prefix;
  std::chrono::steady_clock::time_point begin = std::chrono::steady_clock::now(), told = begin, kept = begin;

  uint64_t first = 0;  // cycle in which frames began
  std::vector<uint64_t> batches;  // nanoseconds of each, while frames run

  double seconds_since(std::chrono::steady_clock::time_point then) const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - then).count();
  }
  void tell(const char *phase) {
    if (seconds_since(told) < 0.2) return;
    told = std::chrono::steady_clock::now();
    fprintf(stderr, "progress %s %llu %llu %.3f\n", phase, (unsigned long long)mesh.cycle,
            (unsigned long long)setup.host.done, seconds_since(begin));
  }
  bool busy() const {
    for (const AccessPort &port : mesh.ports) if (port.busy()) return true;
    return false;
  }
  // Until all accesses are done, and all answers are there; false: not within so many cycles.
  bool accesses(const char *phase, uint64_t limit = ~0ull) {
    for (uint64_t end = limit == ~0ull ? limit : mesh.cycle + limit; busy(); tell(phase)) {
      if (mesh.cycle >= end) return false;
      mesh.run(kBatch, [&] { return !busy(); });
    }
    return true;
  }
  void job(const Core &core, bool is_register, bool write, uint64_t address, uint64_t value = 0, uint64_t count = 1,
           const uint64_t *data = nullptr) {
    mesh.ports[setup.port_of(core)].jobs.push_back({core.node, is_register, write, address, count, data, value});
  }
  // A register of each core.
  std::vector<uint64_t> registers(uint64_t address, const char *phase, uint64_t limit = ~0ull) {
    for (const Core &core : setup.cores) job(core, true, false, address);
    std::vector<uint64_t> values;
    if (!accesses(phase, limit)) return values;
    for (const Core &core : setup.cores) {
      auto &answers = mesh.ports[setup.port_of(core)].answers;
      values.push_back(answers.front());
      answers.erase(answers.begin(), answers.begin() + kWordLimbs);
    }
    return values;
  }
  bool status(uint64_t bit, const char *phase) {  // every core says so
    for (int turn = 0; turn < 20000; turn++) {
      uint64_t all = bit;
      for (uint64_t value : registers(REGISTER_STATUS, phase)) all &= value;
      if (all) return true;
    }
    return false;
  }
  // Delays have sent their first ends, and these have been counted: a core that gets some is not idle meanwhile.
  bool first_ends() {
    for (int turn = 0; DELAYS && turn < 2; turn++) {
      if (!status(STATUS_IDLE, "load")) return false;
      mesh.run(8 * (setup.columns + setup.rows) + 64, [] { return false; });
    }
    return !DELAYS || status(STATUS_IDLE, "load");
  }
  void load() {
    for (const Core &core : setup.cores) {
      if (!core.image.empty()) job(core, false, true, 0, 0, core.image.size() / kWordLimbs, core.image.data());
      job(core, true, true, REGISTER_EDGES, core.edges);
      job(core, true, true, REGISTER_POPULATIONS, core.populations);
    }
    for (const Core &core : setup.cores) job(core, true, true, REGISTER_CONTROL, CONTROL_RUN);
    accesses("load");
    if (!status(STATUS_READY, "load") || !first_ends()) { fprintf(stderr, "not all cores become ready\n"); exit(kHung); }
    for (const Core &core : setup.cores) job(core, true, true, REGISTER_CLEAR, 0);
    registers(REGISTER_STATUS, "load");  // answers come after all writes before are done
  }
  void hang(const char *why) {
    fprintf(stderr, "hang %s\n", why);
    mesh.tell_links(stderr);
    auto values = registers(REGISTER_STATUS, "hang", 10000);
    for (size_t i = 0; i < values.size(); i++)
      fprintf(stderr, "status %llu %llu\n", (unsigned long long)setup.cores[i].node, (unsigned long long)values[i]);
    for (size_t i = 0; i < setup.host.sources.size(); i++) {
      const auto &source = setup.host.sources[i];
      fprintf(stderr, "input %zu %llu %llu %llu\n", i, (unsigned long long)source.frame,
              (unsigned long long)source.credits, (unsigned long long)source.axons);
    }
    exit(kHung);
  }
  void frames() {
    const std::string path = options.text("checkpoint");
    const uint64_t every = options.number("seconds", 60), stop = options.number("stop", ~0ull);
    const uint64_t batch = options.number("batch", kBatch);
    EventHost &host = setup.host;
    host.last_change = mesh.cycle;
    host.begins = true;
    while (!host.finished_all()) {
      const uint64_t left = stop > mesh.cycle ? stop - mesh.cycle : 0;
      const auto before = std::chrono::steady_clock::now();
      mesh.run(std::min(batch, left), [&] { return host.finished_all(); });
      batches.push_back(1e9 * seconds_since(before));
      tell("frames");
      if (mesh.strays()) hang("an event has left the mesh for nobody");
      if (host.finished_all()) break;
      if (mesh.cycle >= stop || (!path.empty() && seconds_since(kept) >= every)) {
        checkpoint(path, true);
        kept = std::chrono::steady_clock::now();
        if (mesh.cycle >= stop) { fprintf(stderr, "stopped %llu\n", (unsigned long long)mesh.cycle); exit(kStopped); }
      }
      if (mesh.cycle > mesh.last_change() + setup.limit) hang("no event for too long");
      if (!mesh.awake() && host.waits()) hang("nothing is left to do");
    }
  }
  void checkpoint(const std::string &path, bool writes) {
    const std::string name = writes ? path + ".new" : path;
    Checkpoint file{fopen(name.c_str(), writes ? "wb" : "rb"), writes};
    if (!file.file) { fprintf(stderr, "cannot open %s\n", name.c_str()); exit(2); }
    file.keep(first);
    mesh.keep(file);
    if (fclose(file.file) || (writes && rename(name.c_str(), path.c_str()))) exit(2);
  }
  void results() {
    mesh.run(8 * (setup.columns + setup.rows) + 64, [] { return false; });  // the last credits arrive
    if (!status(STATUS_IDLE, "idle")) hang("not all cores become idle");
    const uint64_t frames_end = mesh.cycle;
    Output counters(prefix + ".counters");
    for (int i = 0; i < COUNTERS; i++) {
      auto values = registers(REGISTER_COUNTERS + i, "counters");
      for (size_t k = 0; k < values.size(); k++)
        counters.put(values[k] + (i == COUNTER_CYCLES ? mesh.skipped(setup.cores[k].node) : 0));
    }
    for (const Core &core : setup.cores) job(core, false, false, 0, 0, 1ull << ADDRESS_BITS);
    accesses("memory");
    Output memory(prefix + ".memory");
    for (const Core &core : setup.cores) {
      auto &answers = mesh.ports[setup.port_of(core)].answers;
      const size_t size = (1ull << ADDRESS_BITS) * kWordLimbs;
      fwrite(answers.data(), 8, size, memory.file);
      answers.erase(answers.begin(), answers.begin() + size);
    }
    Output frames(prefix + ".frames");
    for (size_t i = 0; i < setup.host.frames.size(); i++) {
      frames.put(setup.host.started[i]);
      frames.put(setup.host.finished[i]);
    }
    Output times(prefix + ".batches");
    for (uint64_t nanoseconds : batches) times.put(nanoseconds);
    Output summary(prefix + ".summary");
    for (uint64_t value : {frames_end, setup.host.sent, setup.host.strange}) summary.put(value);
    mesh.write_results(prefix);
  }
  void run() {
    const bool goes_on = options.resumes();
    setup.host.out = fopen((prefix + ".events").c_str(), goes_on ? "r+b" : "wb");
    if (!setup.host.out) { fprintf(stderr, "cannot write %s.events\n", prefix.c_str()); exit(2); }
    if (goes_on) checkpoint(options.text("checkpoint"), false);
    else load(), first = mesh.cycle;
    const clock_t processor = clock();
    fprintf(stderr, "begins %llu %.3f %llu\n", (unsigned long long)first, seconds_since(begin),
            (unsigned long long)setup.host.done);
    frames();
    fprintf(stderr, "ends %llu %.3f %.3f\n", (unsigned long long)mesh.cycle, seconds_since(begin),
            (double)(clock() - processor) / CLOCKS_PER_SEC);
    fclose(setup.host.out);
    results();
  }
};
