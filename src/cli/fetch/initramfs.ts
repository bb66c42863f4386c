/** The root file system of `vetro fetch`: one static busybox and an /init of ours that ends in a shell on the console. */
import { writeCpio } from '../../machine/cpio.ts';

/** Printed by /init right before the first shell starts: what tests and benchmarks wait for. */
export const READY_MARKER = 'vetro: shell ready';

/**
 * The shell gets a session and a controlling terminal of its own (job control, Ctrl-C): the last console named on the
 * kernel's command line. LINES=… COLUMNS=… there, which the kernel hands to /init, give that terminal's size. When the
 * shell ends the guest powers off, so that `exit` leaves the emulator.
 */
const INIT = `#!/bin/busybox sh
export PATH=/sbin:/bin:/usr/sbin:/usr/bin HOME=/root TERM=\${TERM:-linux} PS1='\\w # '
/bin/busybox --install -s
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /tmp
hostname vetro
dmesg -n 4
echo 'root:x:0:0:root:/root:/bin/sh' > /etc/passwd
echo 'root:x:0:' > /etc/group
cd /root
tty=/dev/$(sed 's/.* //' /sys/class/tty/console/active)
[ -c "$tty" ] || tty=/dev/console
[ -n "$LINES" ] && stty -F "$tty" rows "$LINES" cols "\${COLUMNS:-80}"
echo '${READY_MARKER}'
setsid -c sh -l <"$tty" >"$tty" 2>&1
poweroff -f
`;

/** An uncompressed newc archive; the guest need not spend time on inflating it. `busybox` is a static i386 binary. */
export function buildInitramfs(busybox: Uint8Array): Uint8Array {
  const folders = ['bin', 'dev', 'etc', 'proc', 'root', 'sbin', 'sys', 'tmp', 'usr', 'usr/bin', 'usr/sbin', 'var'];
  return writeCpio([
    ...folders.map((path) => ({ type: 'folder', path }) as const),
    { type: 'character-device', path: 'dev/console', major: 5, minor: 1 },
    { type: 'character-device', path: 'dev/null', major: 1, minor: 3, mode: 0o666 },
    { type: 'file', path: 'bin/busybox', data: busybox, mode: 0o755 },
    { type: 'link', path: 'bin/sh', target: 'busybox' },
    { type: 'file', path: 'init', data: new TextEncoder().encode(INIT), mode: 0o755 },
  ]);
}
