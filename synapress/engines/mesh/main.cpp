// A whole mesh of compiled units; arguments: what synapress/engines/mesh/run.py has written, where results go, options.
#include "nodes.h"
#include "program.h"

int main(int argc, char **argv) {
  if (argc < 3) { fprintf(stderr, "usage: %s INPUT OUTPUT_PREFIX [NAME=VALUE...]\n", argv[0]); return 2; }
  Setup setup(argv[1]);
  Options options(argc - 3, argv + 3);
  Mesh mesh(setup, options.number("threads", 1), options.number("sleep", 1), options.number("passed", 0));
  if (options.number("trace", 0)) mesh.open_traces(argv[2], options.resumes());
  mesh.adapts = options.number("adapts", 1);
#if WAVES
  mesh.open_waves(argv[2], options.text("waves"));
  mesh.waves_from = options.number("waves_from", 0);
  mesh.waves_to = options.number("waves_to", ~0ull);
#endif
  Program<Mesh>{setup, mesh, options, argv[2]}.run();
  return 0;
}
