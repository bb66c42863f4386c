/** A host with all that this process can do for its guests. */
import { createImageOpener } from '../host/image-opener.ts';
import { createPlatform } from '../host/platform.ts';
import { createSnapshotFiles } from '../host/snapshot-files.ts';
import { Host } from '../hypervisor/host.ts';
import type { HostOptions } from '../hypervisor/options/host-options.ts';

/** @throws UserError for options that cannot be met */
export const createHost = (options: Partial<HostOptions> = {}): Host =>
  new Host({
    platform: createPlatform(),
    openImage: createImageOpener(),
    snapshots: createSnapshotFiles(),
    ...options,
  });
