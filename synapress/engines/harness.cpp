// Runs a compiled event core over frames of events, playing the host: loads the image, keeps credits, answers the
// core's ends of timestep with credits, and records everything that comes out. Driven by synapress/engines/verilated.py, which
// defines all widths, positions of fields and numbers of registers from the Python modules, and reads the files written here.
#include <chrono>

#include "host.h"
#include "replay/replay.h"

int main(int argc, char **argv) {
  if (argc == 8 && std::string(argv[1]) == "replay") return replaying::main(argv + 2);
  if (argc != 3) { fprintf(stderr, "usage: %s INPUT OUTPUT_PREFIX\n", argv[0]); return 2; }
  Input in(argv[1]);
  std::string prefix = argv[2];
  uint64_t edges = in.next(), populations = in.next(), outputs = in.next(), inputs = in.next();
  uint64_t stall_in = in.next(), stall_out = in.next(), limit = in.next();
  random_state = in.next() | 1;
  std::vector<uint64_t> image = in.block();
  const std::vector<uint64_t> looked_at = in.block();  // first words of parts of the memory, and those behind them
  uint64_t frames = in.next();

  start_up();
  load_first(image);
  write_register(REGISTER_EDGES, edges);
  write_register(REGISTER_POPULATIONS, populations);
  write_register(REGISTER_CONTROL, CONTROL_RUN);
  while (!(read(REGISTER_STATUS, true)[0] & STATUS_READY)) {}
  for (int i = 0; DELAYS && !(read(REGISTER_STATUS, true)[0] & STATUS_IDLE); i++)  // their first ends are counted
    if (i > 100000) { fprintf(stderr, "the first ends do not come to an end\n"); return 3; }
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
  const auto begin = std::chrono::steady_clock::now();
  auto trace = [&] {
    if (!get(core->evaluated, EVALUATED_VALID_LOW, 1)) return;
    out_trace.put(get(core->evaluated, EVALUATED_ADDRESS_LOW, ADDRESS_BITS));
    for (int limb = 0; limb < kWordLimbs; limb++) out_trace.put(get(core->evaluated, EVALUATED_STATE_LOW + 64 * limb, 64));
  };
  settle();
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
    bool takes = random_byte() >= stall_out;
    if (core->PORT(event_in, valid) != offered || core->PORT(event_in, payload) != event || core->PORT(event_out, ready) != takes) {
      core->PORT(event_in, valid) = offered;
      core->PORT(event_in, payload) = event;
      core->PORT(event_out, ready) = takes;
      settle();
    }
    trace();
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
            const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
            fprintf(stderr, "frame %llu %.9f\n", (unsigned long long)(ends / outputs), spent.count());
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
  for (int i = 0; DELAYS && !core->idle; i++, tick()) {  // delays are evaluated behind the last output
    if (i > 1000000) { fprintf(stderr, "the core does not become idle\n"); return 3; }
    trace();
  }
  auto idle = [&] {
    for (int i = 0; !(read(REGISTER_STATUS, true)[0] & STATUS_IDLE); i++)
      if (i > 1000000) { fprintf(stderr, "the core does not become idle\n"); exit(3); }
  };
  idle();

  Output out_counters(prefix + ".counters");
  for (int i = 0; i < COUNTERS; i++) out_counters.put(read(REGISTER_COUNTERS + i, true)[0]);
  if (CONTROL_FLUSH) {  // what an array holds goes back to memory, and is not counted
    write_register(REGISTER_CONTROL, CONTROL_RUN | CONTROL_FLUSH);
    idle();
  }
  Output out_memory(prefix + ".memory");
  for (size_t part = 0; part < looked_at.size(); part += 2)
    for (uint64_t address = looked_at[part]; address < looked_at[part + 1]; address++)
      for (uint64_t limb : read(address, false)) out_memory.put(limb);
  core->final();
  delete core;
  return 0;
}
