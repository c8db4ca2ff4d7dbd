// A share of the processors for what a benchmark starts by hand, so that it has no more of them than a sandbox has: the control group of the kernel, in either
// of its versions. Needs root.

import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from './condition.mjs';

const PERIOD_US = 100_000;
const EMPTYING_MS = 10_000;

/** Folder of the controller: one tree for all (version 2), or one of its own. */
function tree() {
  if (existsSync('/sys/fs/cgroup/cgroup.controllers')) return { base: '/sys/fs/cgroup', files: (quota) => [['cpu.max', `${quota} ${PERIOD_US}`]] };
  const base = ['/sys/fs/cgroup/cpu', '/sys/fs/cgroup/cpu,cpuacct'].find((folder) => existsSync(join(folder, 'cpu.cfs_quota_us')) || existsSync(join(folder, 'cgroup.procs')));
  if (!base) throw new Error('this machine has no control group for processors');
  return { base, files: (quota) => [['cpu.cfs_period_us', `${PERIOD_US}`], ['cpu.cfs_quota_us', `${quota}`]] };
}

/** A group that may use so many thousandths of one processor. */
export class ProcessorShare {
  constructor(millis) {
    const { base, files } = tree();
    this.folder = join(base, `molt-bench-${process.pid}`);
    mkdirSync(this.folder, { recursive: true });
    for (const [name, value] of files((PERIOD_US * millis) / 1000)) writeFileSync(join(this.folder, name), value);
  }

  /** A command line that puts itself into the group before it becomes the given one. */
  confined(command, args) {
    return ['/bin/sh', ['-c', 'echo $$ > "$0/cgroup.procs" && exec "$@"', this.folder, command, ...args]];
  }

  /** Once nothing is left in it. */
  async remove() {
    await until('the group of processes is empty', EMPTYING_MS, () => {
      try {
        rmdirSync(this.folder);
        return true;
      } catch (error) {
        if (error.code !== 'EBUSY') throw error;
        return false;
      }
    });
  }
}
