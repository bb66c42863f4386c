/** Faults to plant where guest time is made: its arithmetic, the wall clock's policy, waiting in HLT. */
import type { Mutation } from './mutations.ts';

const GUEST_TIME = 'src/base/guest-time.ts';
const FOLLOWER = 'src/hypervisor/shares/wall-clock-follower.ts';
const GUEST_TIME_TEST = 'test/unit/base/guest-time.test.ts';
const FOLLOWER_TEST = 'test/unit/hypervisor/wall-clock-follower.test.ts';
const REPLAY_TEST = 'test/conformance/engines/time-replay.test.ts';

export const TIME_MUTATIONS: readonly Mutation[] = [
  {
    fault: 'an alarm comes an instruction early where the slope does not divide its distance',
    file: GUEST_TIME,
    original: 'Math.ceil((rest * SLOPE_UNITS_PER_NS) / this.#slope)',
    planted: 'Math.floor((rest * SLOPE_UNITS_PER_NS) / this.#slope)',
    tests: [GUEST_TIME_TEST],
  },
  {
    fault: 'guest time rounds its products when they pass 2^53',
    file: GUEST_TIME,
    original: 'if (product <= Number.MAX_SAFE_INTEGER) return',
    planted: 'if (product <= Number.MAX_VALUE) return',
    tests: [GUEST_TIME_TEST],
  },
  {
    fault: 'a correction may set guest time back',
    file: GUEST_TIME,
    original: 'this.#time = Math.max(time, now);',
    planted: 'this.#time = time;',
    tests: [GUEST_TIME_TEST],
  },
  {
    fault: 'a piece starts at the slope before it',
    file: GUEST_TIME,
    original: 'this.#slope = slope;\n  }\n}',
    planted: '}\n}',
    tests: [GUEST_TIME_TEST],
  },
  {
    fault: 'a halted processor waits for alarms beyond its limit',
    file: 'src/engine/processor.ts',
    original: "else if (nextAlarm > until) return 'time';",
    planted: '',
    tests: ['test/unit/machine/pc.test.ts'],
  },
  {
    fault: 'the slope is not part of the state',
    file: 'src/machine/pc.ts',
    original: 'fraction: timeFraction, slope: timeSlope }',
    planted: 'fraction: timeFraction }',
    tests: [REPLAY_TEST],
  },
  {
    fault: 'a correction is reported with the wrong slope',
    file: 'src/machine/pc.ts',
    original: 'this.onTimeCorrection?.({ ...correction, instructions: this.instructions });',
    planted: 'this.onTimeCorrection?.({ ...correction, slope: 65536, instructions: this.instructions });',
    tests: [REPLAY_TEST],
  },
  {
    fault: 'a lag is not made up for',
    file: FOLLOWER,
    original: '1 + lag / reaction',
    planted: '1 - lag / reaction',
    tests: [FOLLOWER_TEST],
  },
  {
    fault: 'the turns of other guests do not count',
    file: FOLLOWER,
    original: 'this.#learn(wall - Math.min(this.#ready!, this.#sliceStart), executed);',
    planted: 'this.#learn(wall - this.#sliceStart, executed);',
    tests: [FOLLOWER_TEST],
  },
  {
    fault: 'what was missed is caught up with at once',
    file: FOLLOWER,
    original: 'const step = Math.min(this.#missed - STEP.BEYOND, STEP.MOST);',
    planted: 'const step = this.#missed - STEP.BEYOND;',
    tests: [FOLLOWER_TEST],
  },
  {
    fault: 'a second missed is made up for by a step',
    file: FOLLOWER,
    original: 'BEYOND: 10_000 * MS',
    planted: 'BEYOND: 100 * MS',
    tests: [FOLLOWER_TEST],
  },
  {
    fault: 'while the host slept, every tick of a halted guest has to come',
    file: FOLLOWER,
    original: 'if (wall - this.#ready > AWAY) {',
    planted: 'if (wall - this.#ready > Number.MAX_VALUE) {',
    tests: [FOLLOWER_TEST],
  },
  {
    fault: 'a pause of the guest is caught up with',
    file: FOLLOWER,
    original: '    this.#origin = undefined;\n    this.#ready = undefined;\n    this.#missed = 0;',
    planted: '    this.#missed = 0;',
    tests: [FOLLOWER_TEST],
  },
  {
    fault: 'a halted guest that input wakes has not slept',
    file: FOLLOWER,
    original: 'let to = halted && aim < nextAlarm ? Math.max(time, aim) : time;',
    planted: 'let to = time;',
    tests: [FOLLOWER_TEST],
  },
  {
    fault: 'a timer that is early by a part of a millisecond wakes the guest for nothing',
    file: FOLLOWER,
    original: 'const EARLY = MS;',
    planted: 'const EARLY = 0;',
    tests: [FOLLOWER_TEST],
  },
];
