// A mesh of compiled units (unit.py), each an object of its own. In a cycle every unit that is awake is evaluated once: as no
// combinational path crosses a unit, it needs what its neighbors said in the cycle before, and nothing else. What is said is
// kept twice, for the cycle that is computed and the one before: so neither the order of the units matters nor who computes
// them. Units that have been idle for longer than anything in them takes to settle sleep, and cost nothing.
#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "Vunit.h"
#include "Vunit___024root.h"
#include "host.h"
#include "verilated.h"
#if WAVES
#include "verilated_vcd_c.h"
#endif

static constexpr int kSides = 4, kStreams = 9, kWides = kStreams - kSides;
static constexpr uint32_t kValids = (1u << kStreams) - 1, kEvents = (1u << kSides) - 1, kReadies = kValids << kStreams;
static constexpr uint32_t kIdle = 1u << 2 * kStreams, kEmpty = kIdle << 1, kEvaluates = kIdle << 2, kError = kIdle << 3;
// The order of INPUTS and OUTPUTS in unit.py, behind the sides.
enum In { kAccess = kSides, kAccessOnBack, kRowGiven, kRowHereBack, kRowOnBack };
enum Out { kAccessOn = kSides, kAccessBack, kRowOn, kRowHere, kRowBack };
// An idle unit goes on with the turns of its scratch memory and the visits of its counters, and is after PERIOD cycles as it
// was (rtl/counters.py): all but the counter of cycles. It sleeps after that and some more, in which its registers settle.
static constexpr uint64_t kSettle = PERIOD + 16;
static constexpr int kMostThreads = 8;
static constexpr uint64_t kTrial = 128;  // cycles in which it is tried whether more threads help

struct alignas(64) Said {  // what a unit says in a cycle
  uint32_t bits = 0;
  uint64_t event[kSides] = {};
};
struct Wide { uint32_t words[kWides][kWide]; };
struct Other { int unit, stream; };  // the other end of a stream

template <typename T> static void give(T &port, const uint32_t *words) {
  if constexpr (std::is_integral_v<T>) port = (T)(sizeof(T) > 4 ? words[0] | (uint64_t)words[1] << 32 : words[0]);
  else memcpy(port.data(), words, sizeof port);
}
template <typename T> static void take(const T &port, uint32_t *words) {
  if constexpr (std::is_integral_v<T>) { words[0] = (uint32_t)port; if (sizeof(T) > 4) words[1] = (uint64_t)port >> 32; }
  else memcpy(words, port.data(), sizeof port);
}
static void pause_once(int turns) {
  if (turns > 4000) std::this_thread::yield();
#if defined(__x86_64__) || defined(__i386__)
  else __builtin_ia32_pause();
#endif
}

struct Unit {
  std::unique_ptr<VerilatedContext> context;
  std::unique_ptr<Vunit> model;
  int neighbor[kSides];
  Other from[kWides], to[kWides];
  uint64_t quiet = 0, since = 0, skipped = 0, evaluations = 0, errors = 0, links[kSides] = {};
  bool asleep = false, running = false, keeps_awake = false;
  int owner = 0;
  FILE *trace = nullptr, *times = nullptr;
#if WAVES
  std::unique_ptr<VerilatedVcdC> waves;
#endif
};

struct alignas(64) Share {  // what one thread works on
  std::vector<int> awake;
  std::vector<int> wakes[2][kMostThreads];  // by parity of the cycle, and by who wakes: units that get something
  std::vector<uint64_t> passed;             // cycle and number of each link that an event has passed, if that is asked for
  uint64_t last_passed = 0, strays = 0;
  std::atomic<uint64_t> done{0};            // cycles
};

// Threads that wait for one another in each cycle lose much where others want the processors, too: so now and then it is
// tried whether all together are faster than one alone, and what is faster is done.
struct Pace {
  bool best = false;                // all threads
  double cost[2] = {0, 0};          // seconds per cycle and unit
  uint64_t rest = 1, interval = 1;  // until the next trial
  void learn(bool tried, bool together, double seconds) {
    double &mine = cost[together];
    mine = tried || mine == 0 ? seconds : 0.9 * mine + 0.1 * seconds;
    if (!tried) { rest -= rest > 0; return; }
    const bool better = together != best && mine < 0.95 * cost[best];
    if (better) best = together;
    interval = better ? 8 : std::min<uint64_t>(2 * interval, 1024);
    rest = interval;
  }
};

class Mesh {
 public:
  const Setup &setup;
  const int columns, rows, count, sink, guest, first_port;  // behind the units: nothing, the host, the ports of accesses
  std::vector<Unit> units;
  std::vector<Said> said[2];
  std::vector<Wide> wide[2];
  EventHost *host;
  std::vector<AccessPort> ports;
  std::vector<int> active;  // ports of accesses that may have work
  uint64_t cycle = 0;
  bool accesses = true, may_sleep, logs_passed, adapts = true;
  Pace pace;
  std::vector<Share> shares;
  int at_host, host_side;

  Mesh(Setup &given, int threads, bool sleeps, bool logs)
      : setup(given), columns(given.columns), rows(given.rows), count(columns * rows), sink(count), guest(count + 1),
        first_port(count + 2), units(count), host(&given.host), ports(given.ports()), may_sleep(sleeps), logs_passed(logs),
        shares(threads) {
    for (auto &half : said) half.resize(first_port + ports.size());
    for (auto &half : wide) half.resize(first_port + ports.size());
    host_side = given.side;
    at_host = node_of(host_side % 2 ? (host_side == 1 ? columns - 1 : 0) : given.place,
                      host_side % 2 ? given.place : (host_side == 0 ? 0 : rows - 1));
    for (int n = 0; n < count; n++) connect(n);
    for (int parity = 0; parity < 2; parity++) {
      for (size_t i = count; i < said[parity].size(); i++) said[parity][i].bits = kReadies;
      said[parity][guest].bits = 0;
    }
    for (int n = 0; n < count; n++) {
      Unit &unit = units[n];
      unit.context = std::make_unique<VerilatedContext>();
#if WAVES
      unit.context->traceEverOn(true);
#endif
      unit.model = std::make_unique<Vunit>(unit.context.get(), "unit");
      unit.model->clk = 0;
      unit.model->given = 0;
      unit.model->eval();
      for (int parity = 0; parity < 2; parity++) hear(n, parity);
      shares[0].awake.push_back(n);
    }
    for (int t = 1; t < threads; t++) workers.emplace_back([this, t] { work(t); });
  }
  ~Mesh() {
    { std::lock_guard<std::mutex> hold(mutex); quits = true; round++; }
    starts.notify_all();
    for (auto &worker : workers) worker.join();
  }
  int node_of(int column, int row) const { return row * columns + column; }

  // At most so many cycles; ends when `stops` says so at the end of one.
  template <typename Stops> void run(uint64_t cycles, Stops stops) {
    active.clear();
    for (size_t i = 0; i < ports.size(); i++) if (ports[i].busy()) active.push_back(i);
    accesses = !active.empty() || accesses_linger();
    const bool tries = adapts && shares.size() > 1 && !pace.rest;
    const bool together = divide(adapts ? pace.best != tries : true);
    if (tries) cycles = std::min(cycles, kTrial);
    const auto begin = std::chrono::steady_clock::now();
    const uint64_t work = cycle, nodes = awake() + 1;
    until = cycle + cycles;
    for (auto &share : shares) share.done = cycle;
    if (together) {
      { std::lock_guard<std::mutex> hold(mutex); first = cycle; round++; }
      starts.notify_all();
    }
    while (cycle < until) {
      step_host();
      step_share(0, cycle);
      if (stops()) until = cycle + 1;
      shares[0].done.store(cycle + 1, std::memory_order_release);
      if (together) wait_for_all(cycle + 1);
      cycle++;
    }
    for (int turns = 0; together && resting.load(std::memory_order_acquire) < (int)workers.size();) pause_once(turns++);
    resting = 0;
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
    if (adapts && shares.size() > 1 && cycle - work >= kTrial) pace.learn(tries, together, spent.count() / ((cycle - work) * nodes));
  }
  uint64_t skipped(int n) const { return units[n].skipped; }
  uint64_t strays() const {
    uint64_t found = 0;
    for (const auto &share : shares) found += share.strays;
    return found;
  }
  // Of each core the states at their evaluation, and when they were evaluated.
  void open_traces(const std::string &prefix, bool goes_on) {
    for (const Core &core : setup.cores) {
      auto open = [&](const char *what) {
        const std::string name = prefix + what + std::to_string(core.node);
        FILE *file = fopen(name.c_str(), goes_on ? "r+b" : "wb");
        if (!file) { fprintf(stderr, "cannot write %s\n", name.c_str()); exit(2); }
        return file;
      };
      units[core.node].trace = open(".trace_");
      units[core.node].times = open(".times_");
    }
  }
#if WAVES
  uint64_t waves_from = 0, waves_to = ~0ull;
  void open_waves(const std::string &prefix, const std::string &nodes) {
    for (size_t at = 0; at < nodes.size(); at = nodes.find(',', at) == std::string::npos ? nodes.size() : nodes.find(',', at) + 1) {
      const int n = std::stoi(nodes.substr(at));
      units[n].waves = std::make_unique<VerilatedVcdC>();
      units[n].model->trace(units[n].waves.get(), 99);
      units[n].waves->open((prefix + ".waves_" + std::to_string(n) + ".vcd").c_str());
      units[n].keeps_awake = true;
    }
  }
#endif
  // By unit its evaluations, errors and events over each of its links; and the links passed, if they were kept.
  void write_results(const std::string &prefix) {
    Output out(prefix + ".units");
    for (Unit &unit : units) {
      out.put(unit.evaluations);
      out.put(unit.errors);
      for (uint64_t events : unit.links) out.put(events);
      for (FILE *file : {unit.trace, unit.times}) if (file) fclose(file);
#if WAVES
      if (unit.waves) unit.waves->close();
#endif
    }
    Output passed(prefix + ".passed");
    for (const auto &share : shares) for (uint64_t value : share.passed) passed.put(value);
  }
  size_t awake() const {
    size_t found = 0;
    for (const auto &share : shares) found += share.awake.size();
    return found;
  }
  void tell_links(FILE *out) const {  // events that wait to be taken
    for (int n = 0; n < count; n++)
      for (int side = 0; side < kSides; side++) {
        const Said &from = said[cycle & 1][n], &to = said[cycle & 1][units[n].neighbor[side]];
        if (from.bits >> side & 1 && !(to.bits >> (kStreams + (side ^ 2)) & 1))
          fprintf(out, "waits %d %d %llu\n", n, side, (unsigned long long)from.event[side]);
      }
  }
  uint64_t last_change() const {
    uint64_t found = host->last_change;
    for (const auto &share : shares) found = std::max(found, share.last_passed);
    return found;
  }
  // Afterwards the counters of cycles lack what `skipped` says, and nothing else differs from a mesh without sleep.
  void wake_all() {
    for (int n = 0; n < count; n++) if (units[n].asleep) {
      wake(n, cycle);
      units[n].owner = 0;
      shares[0].awake.push_back(n);
    }
  }
  void keep(Checkpoint &file) {
    wake_all();
    file.keep(cycle);
    for (Unit &unit : units) {
      auto *root = unit.model->rootp;
      // All of the model's state lies in front of its two pointers.
      file.bytes((void *)root, (char *)&root->vlSymsp - (char *)root);
      for (auto *value : {&unit.quiet, &unit.skipped, &unit.evaluations, &unit.errors}) file.keep(*value);
      file.keep(unit.links);
      file.keep(unit.running);
      for (FILE *output : {unit.trace, unit.times}) if (output) file.keep_file(output);
    }
    for (int parity = 0; parity < 2; parity++) { file.keep_all(said[parity]); file.keep_all(wide[parity]); }
    Share &all = shares[0];  // the number of threads may be another one later
    for (auto &share : shares) if (&share != &all) {
      all.passed.insert(all.passed.end(), share.passed.begin(), share.passed.end());
      all.last_passed = std::max(all.last_passed, share.last_passed);
      share.passed.clear();
    }
    file.keep_all(all.passed);
    file.keep(all.last_passed);
    host->keep(file);
  }

 private:
  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable starts;
  std::atomic<uint64_t> round{0};
  std::atomic<int> resting{0};
  uint64_t first = 0;
  std::atomic<uint64_t> until{0};
  bool quits = false;

  void connect(int n) {
    Unit &unit = units[n];
    const int x = n % columns, y = n / columns;
    const int around[kSides][2] = {{x, y - 1}, {x + 1, y}, {x, y + 1}, {x - 1, y}};
    for (int side = 0; side < kSides; side++) {
      auto [column, row] = around[side];
      bool inside = column >= 0 && column < columns && row >= 0 && row < rows;
      unit.neighbor[side] = inside ? node_of(column, row) : n == at_host && side == host_side ? guest : sink;
    }
    for (int i = 0; i < kWides; i++) unit.from[i] = unit.to[i] = {sink, 0};
    auto link = [&](int in, int out, Other source, Other answers) {
      unit.from[in - kSides] = source;
      unit.to[out - kSides] = answers;
    };
    if (!setup.through_rows) {  // as if each were the first of a row
      link(kAccess, kAccessBack, {first_port + n, kAccessOn}, {first_port + n, kAccessOnBack});
      return;
    }
    const int west = n - 1, east = n + 1, above = n - columns, below = n + columns;
    if (x) link(kAccess, kAccessBack, {west, kAccessOn}, {west, kAccessOnBack});
    else link(kAccess, kAccessBack, {n, kRowHere}, {n, kRowHereBack});
    if (x < columns - 1) link(kAccessOnBack, kAccessOn, {east, kAccessBack}, {east, kAccess});
    if (x) return;
    link(kRowHereBack, kRowHere, {n, kAccessBack}, {n, kAccess});
    if (y) link(kRowGiven, kRowBack, {above, kRowOn}, {above, kRowOnBack});
    else link(kRowGiven, kRowBack, {first_port, kRowOn}, {first_port, kRowOnBack});
    if (y < rows - 1) link(kRowOnBack, kRowOn, {below, kRowBack}, {below, kRowGiven});
  }
  // Which of the threads has which units: those that are awake in equal parts. Whether more than one has any.
  bool divide(bool wanted) {
    if (shares.size() == 1) return false;
    std::vector<int> all;
    for (auto &share : shares) { all.insert(all.end(), share.awake.begin(), share.awake.end()); share.awake.clear(); }
    std::sort(all.begin(), all.end(), [this](int a, int b) {
      return units[a].evaluations != units[b].evaluations ? units[a].evaluations > units[b].evaluations : a < b; });
    const int parts = wanted ? std::max<size_t>(1, std::min(shares.size(), all.size())) : 1;
    for (auto &unit : units) if (unit.asleep) unit.owner = 0;
    // Longest first, to and fro: 0 1 1 0 0 1 ...
    for (size_t i = 0; i < all.size(); i++) {
      int lap = i / parts, place = i % parts, t = lap % 2 ? parts - 1 - place : place;
      units[all[i]].owner = t;
      shares[t].awake.push_back(all[i]);
    }
    for (auto &share : shares)  // what was to be woken goes to the new owners
      for (auto &half : share.wakes) for (auto &list : half) {
        for (int n : list) if (units[n].asleep) moved.push_back(n);
        list.clear();
      }
    for (int n : moved) shares[units[n].owner].wakes[cycle & 1][0].push_back(n);
    moved.clear();
    return parts > 1;
  }
  std::vector<int> moved;

  void work(int t) {
    for (uint64_t seen = 0;;) {
      for (int turns = 0; round.load(std::memory_order_acquire) == seen && turns < 2000; turns++) pause_once(0);
      {
        std::unique_lock<std::mutex> hold(mutex);
        starts.wait(hold, [&] { return round.load() != seen; });
        seen = round;
        if (quits) return;
      }
      for (uint64_t now = first; now < until; now++) {
        step_share(t, now);
        shares[t].done.store(now + 1, std::memory_order_release);
        wait_for_all(now + 1);
      }
      resting.fetch_add(1, std::memory_order_release);
    }
  }
  void wait_for_all(uint64_t cycles) {
    for (auto &share : shares)
      for (int turns = 0; share.done.load(std::memory_order_acquire) < cycles; turns++) pause_once(turns);
  }
  void tell(Share &from, int n, uint64_t now, int who) {
    shares[units[n].owner].wakes[(now + 1) & 1][who].push_back(n);
  }

  void step_host() {
    const int parity = cycle & 1, back = host_side ^ 2;
    const Said &node = said[parity][at_host];
    const bool taken = host->valid && (node.bits >> (kStreams + host_side) & 1);
    const bool came = host->takes && (node.bits >> host_side & 1);
    host->step(cycle, taken, came ? &node.event[host_side] : nullptr);
    Said &next = said[!parity][guest];
    next.bits = (uint32_t)host->valid << back | (uint32_t)host->takes << (kStreams + back);
    if (host->valid) {
      next.event[back] = entering(host->event);
      tell(shares[0], at_host, cycle, 0);
    }
    for (int i : active) {
      AccessPort &port = ports[i];
      const int n = setup.through_rows ? 0 : i, in = setup.through_rows ? kRowGiven : kAccess;
      const int out = setup.through_rows ? kRowBack : kAccessBack, mine = setup.through_rows ? kRowOn : kAccessOn;
      const uint32_t bits = said[parity][n].bits;
      uint64_t word[kWordLimbs];
      if (bits >> out & 1) memcpy(word, wide[parity][n].words[out - kSides], sizeof word);
      port.step(bits >> (kStreams + in) & 1, bits >> out & 1 ? word : nullptr, setup.through_rows, columns);
      said[!parity][first_port + i].bits = kReadies | (uint32_t)port.valid << mine;
      if (!port.valid) continue;
      memcpy(wide[!parity][first_port + i].words[mine - kSides], port.payload, sizeof port.payload);
      tell(shares[0], n, cycle, 0);
    }
  }
  // The step into the mesh is no router's to count (rtl/noc/mesh.py).
  uint64_t entering(uint64_t word) const {
    const bool along_x = host_side % 2;
    const int low = along_x ? CORE_X_LOW : CORE_Y_LOW, bits = along_x ? CORE_X_BITS : CORE_Y_BITS;
    const int step = host_side == 1 || host_side == 2 ? 1 : -1;
    const int64_t at = signed_of(word, low, bits), far = step > 0 ? (int64_t)(mask_of(bits) >> 1) : -(1ll << (bits - 1));
    const uint64_t moved = at == far ? at : at + step;
    return (word & ~(mask_of(bits) << low)) | (moved & mask_of(bits)) << low;
  }

  static bool strange(uint64_t word) {  // not for the host
    return bits_of(word, CORE_X_LOW, CORE_X_BITS) || bits_of(word, CORE_Y_LOW, CORE_Y_BITS);
  }

  void step_share(int t, uint64_t now) {
    Share &share = shares[t];
    for (auto &list : share.wakes[now & 1]) {
      for (int n : list) if (units[n].asleep) { wake(n, now); share.awake.push_back(n); }
      list.clear();
    }
    for (size_t i = 0; i < share.awake.size();) {
      const int n = share.awake[i];
      if (step(share, t, n, now)) { i++; continue; }
      units[n].asleep = true;
      units[n].since = now + 1;
      share.awake[i] = share.awake.back();
      share.awake.pop_back();
    }
  }
  void wake(int n, uint64_t now) {
    Unit &unit = units[n];
    const uint64_t slept = now - unit.since, rest = slept % PERIOD;
    if (unit.running) unit.skipped += slept - rest;
    unit.model->given = kValids << kStreams;
    for (uint64_t i = 0; i < rest; i++) { unit.model->clk = !unit.model->clk; unit.model->eval(); }
    unit.quiet = 0;
    unit.asleep = false;
  }
  // Whether a link out of a node moves nothing in a cycle. It is the same for both ends, in whatever order they ask.
  bool stalled(int n, int side, uint64_t now) const {
    if (!setup.stall_links || n >= count || units[n].neighbor[side] >= count) return false;
    uint64_t mixed = (now * kSides * count + kSides * n + side + 1) * 0x9E3779B97F4A7C15ull ^ setup.seed << 32;
    for (int shift : {30, 27}) mixed = (mixed ^ mixed >> shift) * 0xBF58476D1CE4E5B9ull;
    return mixed >> 56 < setup.stall_links;
  }
  // One cycle of a unit; whether it stays awake.
  bool step(Share &share, int t, int n, uint64_t now) {
    Unit &unit = units[n];
    Vunit &model = *unit.model;
    const int parity = now & 1;
    const Said *before = said[parity].data();
    uint32_t given = 0;
#define SIDE(side, name)                                                          \
    {                                                                             \
      const int there = unit.neighbor[side];                                      \
      const Said &other = before[there];                                          \
      if (!stalled(n, side, now))                                                 \
        given |= (other.bits >> (kStreams + (side ^ 2)) & 1) << (kStreams + side); \
      if (other.bits >> (side ^ 2) & 1 && !stalled(there, side ^ 2, now)) {       \
        given |= 1u << side;                                                      \
        model.name##_in = other.event[side ^ 2];                                  \
      }                                                                           \
    }
    SIDE(0, north) SIDE(1, east) SIDE(2, south) SIDE(3, west)
#undef SIDE
    if (const uint32_t passes = before[n].bits & (given >> kStreams) & kEvents) {
      share.last_passed = now;
      for (int side = 0; side < kSides; side++) if (passes >> side & 1) {
        unit.links[side]++;
        if (logs_passed) { share.passed.push_back(now); share.passed.push_back(kSides * n + side); }
        const int to = unit.neighbor[side];
        share.strays += to == sink || (to == guest && strange(before[n].event[side]));
      }
    }
    if (accesses) given |= hear_accesses(unit, before, parity);
    model.given = given;
    model.clk = !model.clk;
    model.eval();
    unit.evaluations++;
#if WAVES
    if (unit.waves && now + 1 >= waves_from && now < waves_to) unit.waves->dump(now + 1);
#endif
    const uint32_t bits = hear(n, !parity);
    if (bits & kEvents)
      for (int side = 0; side < kSides; side++)
        if (bits >> side & 1 && unit.neighbor[side] < count) tell(share, unit.neighbor[side], now, t);
    if (bits & (kValids & ~kEvents))
      for (int i = 0; i < kWides; i++)
        if (bits >> (kSides + i) & 1 && unit.to[i].unit < count) tell(share, unit.to[i].unit, now, t);
    if (bits & kEvaluates && unit.trace) write_evaluated(unit, now);
    if (bits & kError) unit.errors++;
    const bool idle = (bits & (kValids | kIdle | kEmpty | kEvaluates)) == (kIdle | kEmpty) && !(given & kValids);
    unit.quiet = idle ? unit.quiet + 1 : 0;
    return !may_sleep || unit.keeps_awake || unit.quiet < kSettle;
  }
  // What a unit says after its evaluation.
  uint32_t hear(int n, int parity) {
    Vunit &model = *units[n].model;
    Said &next = said[parity][n];
    next.bits = model.said;
    if (next.bits & kEvents) {
      next.event[0] = model.north_out;
      next.event[1] = model.east_out;
      next.event[2] = model.south_out;
      next.event[3] = model.west_out;
    }
    if (next.bits & (kValids & ~kEvents)) {
      auto &words = wide[parity][n].words;
      take(model.access_on, words[kAccessOn - kSides]);
      take(model.access_back, words[kAccessBack - kSides]);
      take(model.row_on, words[kRowOn - kSides]);
      take(model.row_here, words[kRowHere - kSides]);
      take(model.row_back, words[kRowBack - kSides]);
    }
    return next.bits;
  }
  uint32_t hear_accesses(Unit &unit, const Said *before, int parity) {
    uint32_t given = 0;
    Vunit &model = *unit.model;
    for (int i = 0; i < kWides; i++) {
      const Other &from = unit.from[i], &to = unit.to[i];
      given |= (before[to.unit].bits >> (kStreams + to.stream) & 1) << (kStreams + kSides + i);
      if (!(before[from.unit].bits >> from.stream & 1)) continue;
      given |= 1u << (kSides + i);
      const uint32_t *words = wide[parity][from.unit].words[from.stream - kSides];
      switch (kSides + i) {
        case kAccess: give(model.access, words); notice(unit, words); break;
        case kAccessOnBack: give(model.access_on_back, words); break;
        case kRowGiven: give(model.row_given, words); break;
        case kRowHereBack: give(model.row_here_back, words); break;
        case kRowOnBack: give(model.row_on_back, words); break;
      }
    }
    return given;
  }
  // Writes of the host that concern the counter of cycles.
  void notice(Unit &unit, const uint32_t *words) {
    uint32_t access[kWide];
    memcpy(access, words, sizeof access);
    auto field = [&](int low, int bits) { return get(access, low, bits); };
    if (field(COLUMN_COLUMN_LOW, HOP_BITS) || !field(COLUMN_REGISTER_LOW, 1) || !field(COLUMN_WRITE_LOW, 1)) return;
    const uint64_t address = field(COLUMN_ADDRESS_LOW, ADDRESS_BITS);
    if (address == REGISTER_CONTROL) unit.running = field(COLUMN_DATA_LOW, 64) & CONTROL_RUN;
    if (address == REGISTER_CLEAR) unit.skipped = 0;
  }
  // Accesses may still be on their way when no port waits for any: writes have no answer.
  bool accesses_linger() const {
    if (!setup.through_rows) return false;
    for (int n = 0; n < count; n++)
      for (int parity = 0; parity < 2; parity++) if (said[parity][n].bits & (kValids & ~kEvents)) return true;
    return false;
  }
  void write_evaluated(Unit &unit, uint64_t now) {
    const auto &evaluated = unit.model->evaluated;
    uint64_t record[1 + kWordLimbs] = {get(evaluated, EVALUATED_ADDRESS_LOW, ADDRESS_BITS)};
    for (int limb = 0; limb < kWordLimbs; limb++) record[1 + limb] = get(evaluated, EVALUATED_STATE_LOW + 64 * limb, 64);
    fwrite(record, 8, 1 + kWordLimbs, unit.trace);
    fwrite(&now, 8, 1, unit.times);
  }
};
