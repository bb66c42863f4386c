/** The program of a thread with a pool of guests in it: the library's second bundle. `Host.create({ threads })` starts it. */
import { createImageOpener } from './host/image-opener.ts';
import { createPlatform } from './host/platform.ts';
import { createSnapshotFiles } from './host/snapshot-files.ts';
import { parentThread } from './host/worker-thread.ts';
import { PoolServer } from './hypervisor/threads/pool-server.ts';

new PoolServer({
  port: parentThread(),
  platform: createPlatform(),
  snapshots: createSnapshotFiles(),
  openImage: createImageOpener(),
});
