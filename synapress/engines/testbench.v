// An example testbench in plain Verilog: loads an image into the core, sends frames, checks what comes out.
// Reads the files @FILES@ of the folder that it runs in.
`timescale 1ns / 1ps
module @NAME@_testbench;
  localparam ACCESSES = @ACCESSES@, FRAMES = @FRAMES@, EVENTS = @EVENTS@, ANSWERS = @ANSWERS@;
  localparam ENDS = @ENDS@, CREDITS = @CREDITS@;  // that come out for each frame
  localparam REQUEST_BITS = @REQUEST_BITS@, EVENT_BITS = @EVENT_BITS@, WORD_BITS = @WORD_BITS@;
  localparam LIMIT = @LIMIT@;  // cycles without an event after which the core hangs

  reg clk = 0, rst = 1;
  reg [REQUEST_BITS-1:0] request = 0;
  reg [EVENT_BITS-1:0] event_in = 0;
  reg request_valid = 0, event_in_valid = 0;
  wire request_ready, event_in_ready, event_out_valid, data_valid;
  wire [EVENT_BITS-1:0] event_out;
  wire [WORD_BITS-1:0] data;
  @NAME@ dut (
    .clk(clk), .rst(rst),
    .host__payload(request), .host__valid(request_valid), .host__ready(request_ready),
    .host_data__payload(data), .host_data__valid(data_valid), .host_data__ready(1'b1),
    .event_in__payload(event_in), .event_in__valid(event_in_valid), .event_in__ready(event_in_ready),
    .event_out__payload(event_out), .event_out__valid(event_out_valid), .event_out__ready(1'b1),
    .idle(), .error(),
    .evaluated());  // for verification inside the project

  reg [REQUEST_BITS-1:0] accesses [0:ACCESSES-1];  // host writes: the image, its size, and RUN at last
  reg [REQUEST_BITS-1:0] status [0:0];             // host read of the register STATUS
  reg [EVENT_BITS-1:0] events [0:EVENTS-1];        // of all frames, each with its ends of timestep
  reg [31:0] stops [0:FRAMES-1];                   // number of the event after the last one of each frame
  reg [EVENT_BITS-1:0] answers [0:ANSWERS-1];      // what must come out
  reg [EVENT_BITS-1:0] credit [0:ANSWERS-1];       // what answers an end of timestep; 0 for other events

  integer number, frame, sent = 0, got = 0, ended = 0, credited = 0, returned = 0, errors = 0, cycles = 0, quiet = 0;
  always #5 clk = ~clk;

  // Everything changes and is looked at while the clock is low, so that no two processes race at its edge.
  task access(input [REQUEST_BITS-1:0] word);
    begin
      request = word; request_valid = 1; #1;
      while (!request_ready) begin @(negedge clk); #1; end
      @(negedge clk); request_valid = 0;
    end
  endtask

  task send(input [EVENT_BITS-1:0] word);
    begin
      event_in = word; event_in_valid = 1; #1;
      while (!event_in_ready) begin @(negedge clk); #1; end
      @(negedge clk); event_in_valid = 0;
    end
  endtask

  always @(negedge clk) begin
    cycles = cycles + 1;
    quiet = event_out_valid || event_in_valid ? 0 : quiet + 1;
    if (quiet > LIMIT) begin $display("FAIL: the core hangs"); $finish; end
    if (event_out_valid && !rst && event_out[@KIND@] == @CREDIT@) credited = credited + 1;
    else if (event_out_valid && !rst) begin
      if (got >= ANSWERS || event_out !== answers[got]) begin
        errors = errors + 1;
        $display("event %0d: %h, expected %h", got, event_out, got < ANSWERS ? answers[got] : 0);
      end else if (event_out[@KIND@] == @VALUE@)
        $display("frame %0d: c %0d, x %0d, y %0d: %0d", frame, event_out[@C@], $signed(event_out[@X@]),
                 $signed(event_out[@Y@]), $signed(event_out[@V@]));
      got = got + 1;
      if (event_out[@KIND@] == @END@) ended = ended + 1;
    end
  end

  initial begin
    $readmemh("accesses.hex", accesses); $readmemh("status.hex", status); $readmemh("events.hex", events);
    $readmemh("stops.hex", stops); $readmemh("answers.hex", answers); $readmemh("credits.hex", credit);
    repeat (4) @(negedge clk);
    rst = 0;
    for (number = 0; number < ACCESSES; number = number + 1) access(accesses[number]);
    access(status[0]);
    while (!(data_valid && data[0]))  // READY: the core has read its population words
      if (data_valid) begin @(negedge clk); access(status[0]); end else @(negedge clk);
    for (frame = 0; frame < FRAMES; frame = frame + 1) begin
      while (sent < stops[frame]) begin send(events[sent]); sent = sent + 1; end
      // The next frame may only come when all credits have: for the ends that were sent, and for those that came.
      while (ended < ENDS * (frame + 1) || credited < CREDITS * (frame + 1)) @(negedge clk);
      for (returned = returned; returned < got; returned = returned + 1)
        if (answers[returned][@KIND@] == @END@) send(credit[returned]);
    end
    repeat (100) @(negedge clk);
    if (errors != 0 || got != ANSWERS) $display("FAIL: %0d of %0d events differ; %0d came", errors, ANSWERS, got);
    else $display("PASS: %0d frames, %0d events as expected, %0d cycles", FRAMES, got, cycles);
    $finish;
  end
endmodule
