/** Processor time that this process has taken so far, in ms: unlike the wall clock, it does not tell how busy the host is. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
