// How the calling thread shares the processors with other threads. Wishes: where the system refuses one or
// does not know it, the thread goes on as it was. None of them raises a thread's share of a processor.
//
// Thread-safety: pure functions of the calling thread.
#pragma once

namespace engram {

// For threads of our own, as none of these can be taken back: a tenth of what others get of a processor that
// both want, in the shortest of turns; or what nobody else wants. Whoever waits already goes first.
void run_in_background();
void run_when_idle();

// For whoever sleeps until the disk has done its part: turns so short that it runs as soon as it wakes, where
// otherwise it would wait for the end of the turn of a thread that computes, which may be a tick of the
// scheduler (4 ms). Once a thread, for good, and inherited by the threads and processes it makes; a thread
// with a policy, or with shorter turns, of its own keeps them, and its niceness in any case. (Linux 6.12 and
// later.)
void take_short_turns();

}  // namespace engram
