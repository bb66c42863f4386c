/**
 * A disk with Debian 12 (i386) as an installer would leave it: GRUB in the MBR, one partition with ext4, a kernel,
 * systemd, and a serial terminal to log in. Built once, by debootstrap, as root but without loop devices; then kept in
 * the user's cache, under a name that says how it was built.
 */
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { access, mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CacheError, defaultCacheFolder, replaceFolder, workInCache } from '../../src/cli/fetch/cache-folder.ts';
import { GRUB, installGrub } from './grub-disk.ts';

export const PASSWORD = 'vetro';

const MIB = 2 ** 20;
const NAME = 'test-debian-disk';
const IMAGE = 'disk.img';
const DISK_BYTES = 1024 * MIB;
/** Where partitioning tools put the first one: a boot loader has the room before it. */
export const PARTITION_START = MIB;
const UUID = '8e0f1ec2-6a5f-4d55-9a2c-766574726f00';

const PACKAGES = ['linux-image-686', 'systemd-sysv', 'udev', 'dbus', 'libpam-systemd', 'kmod', 'procps', 'zstd'];

/** GRUB 2.06 cannot read file systems with those left out. */
const FEATURES = '^metadata_csum_seed,^orphan_file';

/** From the machine's own mirror, if its sources have this release; else from debootstrap's. */
const BOOTSTRAP = `
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' 'Component: main' \\
  'Origin: Debian' | grep -m 1 -E '^(https?|file):' || true)
debootstrap --arch=i386 --variant=minbase --include=${PACKAGES.join()} bookworm root $mirror
`;

/**
 * What an installer does beside that, and the image. The initial RAM disk is made anew as what is in it depends on
 * fstab.
 */
const FINISH = `
cat > root/etc/fstab << END
UUID=${UUID} / ext4 errors=remount-ro 0 1
END
cat > root/etc/hosts << END
127.0.0.1 localhost debian
END
echo debian > root/etc/hostname
echo LANG=C.UTF-8 > root/etc/default/locale
: > root/etc/resolv.conf
echo root:${PASSWORD} | chroot root chpasswd
mkdir -p root/boot/grub/i386-pc
cp ${GRUB}/*.mod ${GRUB}/*.lst root/boot/grub/i386-pc
cat > root/boot/grub/grub.cfg << END
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial
set timeout=1
menuentry 'Debian GNU/Linux' {
  search --no-floppy --fs-uuid --set=root ${UUID}
  linux /vmlinuz root=UUID=${UUID} ro console=ttyS0 cryptomgr.notests
  initrd /initrd.img
}
END
chroot root update-initramfs -u
chroot root apt-get clean
rm -rf root/var/lib/apt/lists/*
truncate -s ${DISK_BYTES} ${IMAGE}
mke2fs -q -t ext4 -O '${FEATURES}' -U ${UUID} -E offset=${PARTITION_START} -d root ${IMAGE} \\
  ${(DISK_BYTES - PARTITION_START) / 1024}k
grub-mkimage -O i386-pc -p '(hd0,msdos1)/boot/grub' -o core.img biosdisk part_msdos ext2
`;

/** Packages, and how one sees that they are there. */
const TOOLS = {
  apt: ['apt-get', '--version'],
  debootstrap: ['debootstrap', '--version'],
  // It knows the features that are to be left out since 1.47.
  e2fsprogs: ['mke2fs', '-n', '-q', '-F', '-t', 'ext4', '-O', FEATURES, '/dev/null', '64m'],
  'grub-common': ['grub-mkimage', '--version'],
  'grub-pc-bin': ['test', '-e', `${GRUB}/boot.img`],
  'util-linux': ['unshare', '--version'],
} as const;
/** While it is built: packages, what they unpack to, and the image, of which 0.4 GiB are in use. */
const NEEDED = 1200 * MIB;
/** In ms: of each of the two steps: several times what it takes on a slow line. */
const PATIENCE = 300_000;

/** The path of the image, which nobody is to write; or why there is none. */
export async function debianDisk(): Promise<{ image?: string; reason?: string }> {
  const loader = readFileSync(join(import.meta.dirname, 'grub-disk.ts'));
  const recipe = createHash('sha256').update(BOOTSTRAP).update(FINISH).update(loader).digest('hex');
  const cache = defaultCacheFolder();
  const name = `${NAME}-${recipe.slice(0, 12)}`;
  const image = join(cache, name, IMAGE);
  if (await exists(image)) return { image };
  const reason = whyNot() ?? (await buildInCache(cache, name));
  return reason === undefined ? { image } : { reason };
}

function whyNot(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can build a disk of Debian: debootstrap';
  const [missing] = Object.entries(TOOLS).find(([, [word, ...args]]) => spawnSync(word, args).status !== 0) ?? [];
  return missing && `the package ${missing} is missing or too old`;
}

/** @returns why it could not be built, if that is this machine's fault @throws what would be ours */
async function buildInCache(cache: string, name: string): Promise<string | undefined> {
  try {
    return await workInCache({ cache, name, needed: NEEDED }, (folder, signal) =>
      build(folder, { place: join(cache, name), signal }),
    );
  } catch (error) {
    if (error instanceof CacheError) return error.message;
    throw error;
  }
}

/** @returns why Debian could not be installed: the network, a mirror, what this machine's root may not do, time */
async function build(
  folder: string,
  { place, signal }: { place: string; signal: AbortSignal },
): Promise<string | undefined> {
  for (const [name, script] of Object.entries({ debootstrap: BOOTSTRAP, 'making the image': FINISH })) {
    try {
      await shell(script, { folder, signal });
    } catch (error) {
      signal.throwIfAborted();
      const { stdout, stderr, killed } = error as { stdout: string; stderr: string; killed: boolean };
      if (killed) return `${name} takes longer than ${PATIENCE / 60_000} minutes`;
      const lines = `${stdout}${stderr}`.trim().split('\n');
      const room = lines.find((line) => line.includes('No space left on device'));
      if (room === undefined && script === FINISH) throw error;
      return `${name}: ${room ?? lines.at(-1)}`;
    }
  }
  const result = join(folder, 'result');
  await mkdir(result);
  await rename(join(folder, IMAGE), join(result, IMAGE));
  installGrub(join(result, IMAGE), join(folder, 'core.img'), PARTITION_START);
  await replaceFolder(result, place);
  return undefined;
}

/** What a script mounts or starts goes with it, even if it is killed, before anybody removes the folder. */
const shell = (script: string, { folder, signal }: { folder: string; signal: AbortSignal }) =>
  promisify(execFile)('unshare', ['--mount', '--pid', '--fork', '--kill-child', 'sh', '-eu', '-c', script], {
    cwd: folder,
    env: { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    signal,
    timeout: PATIENCE,
    maxBuffer: 64 * MIB,
  });

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );
