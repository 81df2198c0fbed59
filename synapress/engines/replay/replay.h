// One core of a mesh alone: gives it what the golden mesh has recorded for it, as early as that may come, and compares
// all that it does. Driven by synapress/engines/replay/core.py, which reads the lines that are printed here; what is
// read is written by synapress/engines/replay/files.py.
#pragma once
#include <cinttypes>
#include <map>
#include <unordered_map>

namespace replaying {

static constexpr int kDiffers = 4, kHung = 3;
static constexpr uint64_t kArrival = 1, kEvaluation = 2, kEnd = 3;
static constexpr uint64_t kLongestRun = 256;  // events of a source that stay together, where sources are mixed

struct Run { const uint64_t *words; uint64_t count; };  // of a block in the file
struct Arrival { uint64_t number; Run conditions, events; };
struct Source { std::vector<Arrival> arrivals; size_t next = 0; uint64_t position = 0; };
struct Population {
  std::vector<Run> sent;           // by evaluation
  uint64_t words = 0;              // states of an evaluation
  uint64_t seen = 0;               // states so far
  uint64_t fired = 0;              // evaluations of which all has come out
  uint64_t begun = 0, spent = 0;   // cycle of the first state of this evaluation; cycles of all evaluations
};
struct State { const uint64_t *words; int population; };
struct Expected { std::vector<State> states; size_t next = 0; };  // of one address, which populations may share

struct Recording {
  std::vector<uint64_t> words;
  uint64_t edges, populations, last = 0;
  Run image, memory{nullptr, 0};
  std::vector<std::pair<uint64_t, uint64_t>> counters;
  std::vector<Source> sources;
  std::vector<Population> population;
  std::vector<Expected> state;
  std::vector<int> late;  // populations that send their first ends out of reset, in order
  std::unordered_map<uint64_t, uint64_t> credits;  // that must come out
  uint64_t given = 0, states = 0, sent = 0, credits_left = 0;

  explicit Recording(const char *path) : state(1ull << ADDRESS_BITS) {
    FILE *file = fopen(path, "rb");
    if (!file) { fprintf(stderr, "cannot read %s\n", path); exit(2); }
    fseek(file, 0, SEEK_END);
    words.resize(ftell(file) / 8);
    rewind(file);
    if (fread(words.data(), 8, words.size(), file) != words.size()) exit(2);
    fclose(file);
    size_t at = 0;
    auto next = [&] {
      if (at >= words.size()) { fprintf(stderr, "%s ends early\n", path); exit(2); }
      return words[at++];
    };
    auto block = [&](uint64_t each = 1) {
      Run run{nullptr, next()};
      run.words = words.data() + at;
      if (run.count * each > words.size() - at) { fprintf(stderr, "%s ends early\n", path); exit(2); }
      at += run.count * each;
      return run;
    };
    edges = next(), populations = next(), image = block();
    population.resize(populations);
    for (uint64_t number = 0;; number++) {
      const uint64_t tag = next();
      if (tag == kArrival) {
        const uint64_t source = next();
        if (sources.size() <= source) sources.resize(source + 1);
        const Run conditions = block(2), events = block();
        sources[source].arrivals.push_back({number, conditions, events});
        given += events.count;
      } else if (tag == kEvaluation) {
        const uint64_t index = next();
        Population &mine = population.at(index);
        const Run found = block(1 + kWordLimbs);
        for (uint64_t i = 0; i < found.count; i++) {
          const uint64_t *one = found.words + i * (1 + kWordLimbs);
          state.at(one[0]).states.push_back({one + 1, (int)index});
        }
        if (found.count) mine.words = found.count;
        else late.push_back(index);  // first ends are an evaluation of no states
        states += found.count;
        mine.sent.push_back(block());
        sent += mine.sent.back().count;
        const Run returned = block();
        for (uint64_t i = 0; i < returned.count; i++) credits[returned.words[i]]++;
        credits_left += returned.count;
      } else if (tag == kEnd) {
        const Run pairs = block(2);
        for (uint64_t i = 0; i < pairs.count; i++) counters.push_back({pairs.words[2 * i], pairs.words[2 * i + 1]});
        memory = block();
        return;
      } else {
        fprintf(stderr, "%s: record of kind %" PRIu64 "\n", path, tag);
        exit(2);
      }
    }
  }
};

struct Player {
  Recording &recording;
  bool mixes;  // sources in any order, else the earliest one that may send
  std::unordered_map<uint64_t, uint64_t> credited;  // credits that came out
  size_t front = 0;
  uint64_t position = 0;                            // in the events of the first of them
  int current = -1;                                 // source
  uint64_t run = 0;                                 // events that it may still send before another one is drawn
  bool changed = true;                              // a milestone was reached since no source could send
  uint64_t first = 0, last_change = 0, starved = 0, refused = 0;
  uint64_t states_left, sent_left, given_left;
  std::vector<int> firing;                          // populations whose events come next, in order

  Player(Recording &recording, bool mixes) : recording(recording), mixes(mixes), states_left(recording.states),
                                             sent_left(recording.sent), given_left(recording.given),
                                             firing(recording.late) { skip_silent(); }

  bool may(const Source &source) const {
    if (source.next >= source.arrivals.size()) return false;
    if (source.position) return true;
    const Run &conditions = source.arrivals[source.next].conditions;
    for (uint64_t i = 0; i < conditions.count; i++) {
      const uint64_t milestone = conditions.words[2 * i], count = conditions.words[2 * i + 1];
      if (milestone < recording.populations) {
        if (recording.population[milestone].fired < count) return false;
      } else {
        auto found = credited.find(milestone);
        if (found == credited.end() || found->second < count) return false;
      }
    }
    return true;
  }
  // The source that sends next, -1: none may.
  int choose() {
    std::vector<int> ready;
    for (size_t i = 0; i < recording.sources.size(); i++) if (may(recording.sources[i])) ready.push_back(i);
    if (ready.empty()) { changed = false; return -1; }
    if (mixes) {
      run = 1 + (random_byte() << 8 | random_byte()) % kLongestRun;
      return ready[(random_byte() << 8 | random_byte()) % ready.size()];
    }
    run = ~0ull;
    auto number = [&](int i) { return recording.sources[i].arrivals[recording.sources[i].next].number; };
    return *std::min_element(ready.begin(), ready.end(), [&](int a, int b) { return number(a) < number(b); });
  }
  // The next event, if one may come.
  bool offer(uint64_t &event) {
    if (current < 0) {
      if (!changed) return false;
      current = choose();
      if (current < 0) return false;
    }
    const Source &source = recording.sources[current];
    event = source.arrivals[source.next].events.words[source.position];
    return true;
  }
  void taken() {
    Source &source = recording.sources[current];
    given_left--;
    const bool whole = ++source.position == source.arrivals[source.next].events.count;
    if (whole) source.next++, source.position = 0;
    if (whole || !--run) current = -1, changed = true;
    last_change = cycle;
  }
  void evaluated() {
    const uint64_t address = get(core->evaluated, EVALUATED_ADDRESS_LOW, ADDRESS_BITS);
    Expected &here = recording.state[address];
    if (here.next >= here.states.size()) differs("strange %" PRIu64 " %" PRIu64, cycle, address);
    const auto [wanted, population] = here.states[here.next];
    for (int limb = 0; limb < kWordLimbs; limb++) {
      const uint64_t found = get(core->evaluated, EVALUATED_STATE_LOW + 64 * limb, 64);
      if (found != wanted[limb])
        differs("state %" PRIu64 " %d %" PRIu64 " %zu %d %" PRIu64 " %" PRIu64, cycle, population, address,
                here.next, limb, found, wanted[limb]);
    }
    here.next++;
    states_left--;
    Population &mine = recording.population[population];
    if (mine.seen % mine.words == 0) {
      mine.begun = cycle;
      firing.push_back(population);
      skip_silent();
    }
    if (++mine.seen % mine.words == 0) mine.spent += cycle + 1 - mine.begun;
    last_change = cycle;
  }
  // Populations that send nothing to other cores have fired as soon as it is their turn.
  void skip_silent() {
    while (front < firing.size()) {
      Population &mine = recording.population[firing[front]];
      if (position < mine.sent[mine.fired].count) return;
      mine.fired++;
      front++;
      position = 0;
      changed = true;
    }
  }
  void sent(uint64_t event) {
    last_change = cycle;
    if (bits_of(event, KIND_LOW, KIND_BITS) == KIND_CREDIT) {
      auto found = recording.credits.find(event);
      if (found == recording.credits.end() || !found->second) differs("credit %" PRIu64 " %" PRIu64, cycle, event);
      found->second--;
      recording.credits_left--;
      credited[event]++;
      changed = true;
      return;
    }
    if (front >= firing.size()) differs("extra %" PRIu64 " %" PRIu64, cycle, event);
    const Population &mine = recording.population[firing[front]];
    const uint64_t wanted = mine.sent[mine.fired].words[position];
    if (event != wanted)
      differs("event %" PRIu64 " %d %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, cycle, firing[front], mine.fired,
              position, event, wanted);
    position++;
    sent_left--;
    skip_silent();
  }
  bool finished() const { return !given_left && !states_left && !sent_left && !recording.credits_left; }

  template <typename... Items> [[noreturn]] void differs(const char *form, Items... items) {
    printf("differs ");
    printf(form, items...);
    printf("\n");
    exit(kDiffers);
  }
};

static uint64_t status() {
  core->PORT(event_in, valid) = 0;
  core->PORT(event_out, ready) = 1;
  settle();
  return read(REGISTER_STATUS, true)[0];
}

// Cycles of the core, until all is done: one evaluation of the model each, as neither `ready` of the input nor what
// comes out depends on what goes in in the same cycle.
static void play(Player &player, uint64_t stall_in, uint64_t stall_out, uint64_t limit) {
  bool offered = false;
  uint64_t event = 0;
  settle();
  player.first = player.last_change = cycle;
  while (!player.finished()) {
    if (!offered && (!stall_in || random_byte() >= stall_in)) {
      offered = player.offer(event);
      if (!offered && player.given_left) player.starved++;
    }
    const bool takes = !stall_out || random_byte() >= stall_out;
    core->PORT(event_in, valid) = offered;
    core->PORT(event_in, payload) = event;
    core->PORT(event_out, ready) = takes;
    if (get(core->evaluated, EVALUATED_VALID_LOW, 1)) player.evaluated();
    if (takes && core->PORT(event_out, valid)) player.sent(core->PORT(event_out, payload));
    const bool taken = offered && core->PORT(event_in, ready);
    player.refused += offered && !taken;
    tick();
    if (taken) {
      player.taken();
      offered = false;
    }
    if (cycle - player.last_change > limit) {
      printf("hang %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", cycle, status(),
             player.given_left, player.states_left, player.sent_left, player.recording.credits_left);
      exit(kHung);
    }
  }
}

// Arguments: the recording, then mix, stall_in, stall_out (of 256), seed, limit.
static int main(char **argv) {
  Recording recording(argv[0]);
  uint64_t options[5];
  for (int i = 0; i < 5; i++) options[i] = strtoull(argv[1 + i], nullptr, 10);
  random_state = options[3] * 0x9E3779B97F4A7C15ull | 1;
  Player player(recording, options[0]);
  start_up();
  load(std::vector<uint64_t>(recording.image.words, recording.image.words + recording.image.count));
  write_register(REGISTER_EDGES, recording.edges);
  write_register(REGISTER_POPULATIONS, recording.populations);
  write_register(REGISTER_CONTROL, CONTROL_RUN);
  for (int i = 0; !(read(REGISTER_STATUS, true)[0] & STATUS_READY); i++)
    if (i > 100000) { fprintf(stderr, "the core does not become ready\n"); return kHung; }
  // Of the first ends those within the core are not counted; those of other cores come with the rest, and are.
  core->PORT(event_out, ready) = 1;
  settle();
  for (int i = 0; DELAYS && !core->idle; i++) {
    if (core->PORT(event_out, valid)) player.sent(core->PORT(event_out, payload));
    tick();
    if (i > 100000) { fprintf(stderr, "the first ends do not get out\n"); return kHung; }
  }
  core->PORT(event_out, ready) = 0;
  write_register(REGISTER_CLEAR, 0);
  play(player, options[1], options[2], options[4]);
  printf("cycles %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", cycle - player.first, player.starved, player.refused);
  for (int i = 0; !(status() & STATUS_IDLE); i++)
    if (i > 100000) { fprintf(stderr, "the core does not become idle\n"); return kHung; }
  for (uint64_t i = 0; i < recording.populations; i++)
    printf("population %" PRIu64 " %" PRIu64 "\n", i, recording.population[i].spent);
  std::vector<uint64_t> counted;
  for (int i = 0; i < COUNTERS; i++) {
    counted.push_back(read(REGISTER_COUNTERS + i, true)[0]);
    printf("counter %d %" PRIu64 "\n", i, counted.back());
  }
  for (auto [index, wanted] : recording.counters)
    if (counted.at(index) != wanted)
      player.differs("counter %" PRIu64 " %" PRIu64 " %" PRIu64, index, counted[index], wanted);
  for (uint64_t address = 0; address < (1ull << ADDRESS_BITS); address++) {
    const std::vector<uint64_t> found = read(address, false);
    for (int limb = 0; limb < kWordLimbs; limb++) {
      const uint64_t wanted = recording.memory.words[address * kWordLimbs + limb];
      if (found[limb] != wanted)
        player.differs("memory %" PRIu64 " %d %" PRIu64 " %" PRIu64, address, limb, found[limb], wanted);
    }
  }
  printf("equal %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", recording.states, recording.sent, recording.given);
  core->final();
  return 0;
}

}  // namespace replaying
