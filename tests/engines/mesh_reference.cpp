// The Verilog of a whole mesh (rtl/noc/mesh.py), with the same host as synapress/engines/mesh/main.cpp: what it does in which
// cycle is what the simulator must do.
#include <cstring>
#include <unistd.h>

#include "Vreference.h"
#include "mesh/host.h"
#include "mesh/program.h"
#include "verilated.h"

struct Mesh {
  Setup &setup;
  EventHost *host;
  std::vector<AccessPort> ports;
  uint64_t cycle = 0, last_passed = 0, errors = 0;
  Vreference model;
  std::vector<uint64_t> links, passed;

  explicit Mesh(Setup &given) : setup(given), host(&given.host), ports(1), links(4 * given.columns * given.rows) {
    model.clk = model.rst = model.event_in_valid = model.event_out_ready = model.access_valid = 0;
    model.access_back_ready = 1;
  }
  template <typename Stops> void run(uint64_t cycles, Stops stops) {
    for (uint64_t end = cycle + cycles; cycle < end; cycle++) {
      AccessPort &port = ports[0];
      model.event_in_valid = host->valid;
      model.event_in = host->event;
      model.event_out_ready = host->takes;
      model.access_valid = port.valid;
      memcpy(model.access.data(), port.payload, sizeof model.access);
      model.eval();
      for (size_t i = 0; i < links.size(); i++) if (get(model.passed, i, 1)) {
        links[i]++;
        passed.push_back(cycle);
        passed.push_back(i);
        last_passed = cycle;
      }
      errors += model.error;
      const uint64_t event = model.event_out, word = model.access_back;
      host->step(cycle, host->valid && model.event_in_ready, host->takes && model.event_out_valid ? &event : nullptr);
      port.step(model.access_ready, model.access_back_valid ? &word : nullptr, true, setup.columns);
      if (stops()) end = cycle + 1;
      model.clk = 1;
      model.eval();
      model.clk = 0;
    }
  }
  uint64_t skipped(int) const { return 0; }
  uint64_t strays() const { return 0; }
  uint64_t last_change() const { return std::max(last_passed, host->last_change); }
  size_t awake() const { return 1; }
  void tell_links(FILE *) const {}
  void keep(Checkpoint &) {}
  void write_results(const std::string &prefix) {
    Output out(prefix + ".units");
    for (size_t n = 0; n < links.size() / 4; n++) {
      out.put(cycle);
      out.put(n ? 0 : errors);
      for (int side = 0; side < 4; side++) out.put(links[4 * n + side]);
    }
    Output file(prefix + ".passed");
    for (uint64_t value : passed) file.put(value);
  }
};

int main(int argc, char **argv) {
  Setup setup(argv[1]);
  Options options(argc - 3, argv + 3);
  Mesh mesh(setup);
  Program<Mesh>{setup, mesh, options, argv[2]}.run();
  return 0;
}
