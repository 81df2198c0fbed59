"""The numbers of the microarchitecture: depths, delays and latencies that the hardware has and the cycle model replays.

They are no options of a configuration: results do not depend on them, but cycles do.
"""

# -- the ESU ------------------------------------------------------------------------------------------------------

PHASES = 4
"""Cycles of a beat: what every stage of the ESU has for an event, and so the least distance of two events. Four, as
the anchors' range is a pipeline of four stages, and as edge, geometry and table word are read one after another."""
ESU_LATENCY = 1 + 3 * PHASES + 5
"""Cycles from an event taken by the idle ESU to its first operation offered, if no read waits: the register of the next
event, three beats, three for the geometry word, and the registers of the event that starts and of its operation. A
table word takes one more."""

# -- the neuron update --------------------------------------------------------------------------------------------

OPERATION_QUEUE = 11
"""Operations that wait for their weights. At least STATE_LATENCY, so that a run of operations goes on while its first
weights come; the rest takes up what the ESU offers while a bank is refused: depthwise kernels, which want a weight word
for every second operation, lose 3 % with nine."""
WEIGHT_REQUESTS = 4
"""Weight words to ask for, and not asked for yet: a refused read holds up the ESU only behind so many. Fewer than
OPERATION_QUEUE, as operations share weight words."""
WEIGHT_WORDS = 5
"""Weight words read ahead of the one in use. Five are a new word in every cycle: one is asked for, three are on their
way, and one is there to be used."""
STATE_LATENCY = 7
"""Cycles from an operation taken by the idle neuron update to the read of its state, with memory at once: into the
queue, to its front, the weights asked for, three to their arrival, the head register."""
WRITE_DELAY = 3
"""Cycles from the read of a state to its write-back, when that is not held back: never the same bank for a run of
consecutive words over four banks. The state that is written comes a cycle after, as late as the memory wants it."""

# -- an event as a whole ------------------------------------------------------------------------------------------

EVENT_MINIMUM = PHASES
"""Cycles that the ESU needs for an event, however few operations it has: a beat."""
OTHER_CYCLES, TABLE_CYCLES = 1.5, 2
"""Cycles beyond a beat for an event of another ID than the one before, which are one or two, and for one with a table
word, if no read waits."""
EVENT_FILL = ESU_LATENCY + STATE_LATENCY + WRITE_DELAY
"""Cycles of a single event of any number of operations, from its offer to its last state written, beyond those."""

# -- the evaluation -----------------------------------------------------------------------------------------------

COMMAND_LATENCY = 5
"""Cycles from a command to the first access of the evaluation: the command is taken, the addresses of parameters,
states and first word are formed, a cycle each, and the access waits in a register."""
EVALUATION_WORDS = 4
"""State words read ahead of their evaluation: words of two neurons take two cycles, and six pass from a word used up
over its access to the next one in its place."""
LANE_LATENCY = 4
"""Cycles from a state word's access to the evaluation of its first lane: three for the memory, and the buffer of
words read."""
EVALUATION_STAGES = 10
"""Stages of the arithmetic of the evaluation (a short shift, `shift_bits` of at most 4, has one fewer)."""
LOOKUP_WORDS = 6
"""Values on their way past or through a value table and behind it: as many as go in before the first comes out."""
LOOKUP_LATENCY = 6
"""Cycles from a value to its result: a register, three for the word of a table, its entry, and the results that
wait."""
FIRE_LATENCY = 1
"""Cycles from a result to its firing neuron: the register at the output."""
EVALUATION_FILL = COMMAND_LATENCY + 1 + LANE_LATENCY + EVALUATION_STAGES + LOOKUP_LATENCY + FIRE_LATENCY + 1
"""Cycles of an evaluation before its first neuron and after its last: its parameter is asked for a cycle after its
state, and an end takes one more than a neuron."""
KEPT_WORDS = 16
"""State words of SPIKING neurons between their read and their write: four that wait, one per stage of the arithmetic,
and two at the writer; the next power of two, as the addresses' index wraps by itself."""
SKIPPING_WORDS = 6
"""State words read ahead of their evaluation with `skip_silent`: a word in every cycle, of which six are on their way,
from one asked for to its place given back, if none of its neurons can fire."""
SKIPPING_MASKS = 32
"""State words, with `skip_silent`, from the asking for one to the place of its neurons: 7 if none can fire, and one of
which some can is followed by as many as there are stages to the results; the next power of two."""
EVALUATION_PATIENCE = 15
"""Cycles in which an evaluation may be refused a bank before it goes above the weights: high enough to cost a running
convolution next to nothing, and what four bits count."""

# -- the PEG and the queues ---------------------------------------------------------------------------------------

AXON_WORDS = 5
"""Axon words that the PEG keeps for a population, or reads ahead for a neuron that has more: as many as are on their
way at one a cycle, from a slot given back over request and memory to the slot filled again."""
AXON_LATENCY = 5
"""Cycles from a population's first neuron taken by the PEG to the use of its first axon word."""
PEG_FLIGHT = 3
"""Events that the PEG may still send after `room` fell: of the axon words used in the last two cycles, and the event
that enters the queue in this one, which the queue's level does not show yet."""
SENT_FLIGHT = PEG_FLIGHT + 1
"""The same, with the event in the register before the queues: so many places are free while `room` is high."""
LEAST_LOCAL_QUEUE = SENT_FLIGHT + 1
"""Places of the local queue with which the ESU never waits for the PEG: while the PEG starts again, the ESU works on
the event in the register behind the queue and on another one, PHASES cycles each."""
LEAST_OUTPUT_QUEUE = SENT_FLIGHT + 2
"""Places of the output queue with which the PEG can send in every cycle: it then holds two events, as each is offered
two cycles after it came."""

# -- the scratch memory -------------------------------------------------------------------------------------------

SCRATCH_TURNS = 3
"""Cycles in which the scheduler has one access to the scratch memory, and the counters a read and a write of a word."""
END_LATENCY = 16
"""Most cycles in which the scheduler counts an end of timestep, while the values behind it wait."""
USE_LATENCY = 3
"""Cycles from an axon word used by the PEG to its event's place in a queue: shifted, added, and a register."""
QUEUE_LATENCY = 2
"""Cycles from an event in the output queue to its offer outside."""

# -- the network ---------------------------------------------------------------------------------------------------

ROUTER_LATENCY, ROUTER_LOCAL_LATENCY = 2, 1
"""Cycles from an event taken by a router to its offer at a link, and at the local output."""
