/** Faults to plant in virtqueues, their transport, and the balloon. */
import type { Mutation } from './mutations.ts';

const QUEUE = 'src/devices/virtio/virtqueue.ts';
const CORE = 'src/devices/virtio/virtio-core.ts';
const BALLOON = 'src/devices/virtio/virtio-balloon.ts';
const QUEUE_TEST = 'test/unit/devices/virtio/virtqueue.test.ts';
const PCI_TEST = 'test/unit/devices/virtio/virtio-pci.test.ts';
const BALLOON_TEST = 'test/unit/devices/virtio/virtio-balloon.test.ts';

export const VIRTIO_MUTATIONS: readonly Mutation[] = [
  {
    fault: 'a chain of as many descriptors as there are counts as a loop',
    file: QUEUE,
    original: 'steps >= table.count',
    planted: 'steps >= table.count - 1',
    tests: [QUEUE_TEST],
  },
  {
    fault: 'a driver with event indices hears one entry too late',
    file: QUEUE,
    original: 'inWord(used - event - 1)',
    planted: 'inWord(used - event - 2)',
    tests: [QUEUE_TEST],
  },
  {
    fault: 'tables within tables are followed',
    file: QUEUE,
    original: '|| table.isIndirect ',
    planted: '',
    tests: [QUEUE_TEST],
  },
  {
    fault: 'features that were not offered are agreed upon',
    file: CORE,
    original: 'return !stranger && ',
    planted: 'return ',
    tests: [PCI_TEST],
  },
  {
    fault: 'buffers are used before DRIVER_OK',
    file: CORE,
    original: ' || (!legacy && (status & STATUS.DRIVER_OK) === 0)',
    planted: '',
    tests: [PCI_TEST],
  },
  {
    fault: 'the generation stays when the configuration changes',
    file: CORE,
    original: 'state.generation = (state.generation + 1) & 0xff;',
    planted: '',
    tests: [PCI_TEST],
  },
  {
    fault: 'pages that hold a poison are given back when they are reported',
    file: BALLOON,
    original: 'if (!isPoisoned) ',
    planted: '',
    tests: [BALLOON_TEST],
  },
  {
    fault: 'hints of a run that is over are believed',
    file: BALLOON,
    original: ' && state.hintRun === state.hintCommand',
    planted: '',
    tests: [BALLOON_TEST],
  },
  {
    fault: 'a page of which a part is reported is given back',
    file: BALLOON,
    original: 'const first = Math.ceil(address / BALLOON_PAGE);',
    planted: 'const first = Math.floor(address / BALLOON_PAGE);',
    tests: [BALLOON_TEST],
  },
  {
    fault: 'queues are always numbered without gaps',
    file: BALLOON,
    original: 'return isBySpecification\n',
    planted: 'return isBySpecification && false\n',
    tests: [BALLOON_TEST],
  },
];
