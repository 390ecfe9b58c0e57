/**
 * What Linux says of processes and of the whole machine (`/proc`), and of the machine itself.
 *
 * CPU time of softirqs is charged to the process that was interrupted, unless the kernel was built with
 * CONFIG_IRQ_TIME_ACCOUNTING (Debian's is not); with it, foreign CPU looks higher than it is.
 */

/** Milliseconds of a tick: USER_HZ is 100 wherever Deno runs. */
const TICK_MS = 10;

/** CPU time of a process with all its threads since its start, ms. */
export function processCpuMs(pid: number): number {
  const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
  // The name in parentheses may hold anything; field 3 follows it. utime and stime are fields 14 and 15 (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Memory of a process that is resident now, MB (10^6 octets). */
export function residentMb(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? NaN) * 1024 / 1e6;
}

/** Makes the peak of a process's resident memory begin anew (proc(5), clear_refs). */
export function resetPeakResident(pid: number): void {
  Deno.writeTextFileSync(`/proc/${pid}/clear_refs`, "5");
}

/** The most memory of a process that was resident since then, MB (10^6 octets). */
export function peakResidentMb(pid: number): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? NaN) * 1024 / 1e6;
}

/** Time that the machine's cores did not idle since its start, ms, stolen time included. */
export function machineBusyMs(): number {
  const line = Deno.readTextFileSync("/proc/stat").split("\n", 1)[0] ?? "";
  const [user = 0, nice = 0, system = 0, _idle, _ioWait, irq = 0, softIrq = 0, steal = 0] = line.split(/\s+/)
    .slice(1).map(Number);
  return (user + nice + system + irq + softIrq + steal) * TICK_MS;
}

/** Descriptors that a process may be allowed at most. */
export function descriptorLimit(): number {
  const limits = Deno.readTextFileSync("/proc/self/limits");
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(limits)?.[1] ?? "1024";
  return hard === "unlimited" ? 1_000_000 : Number(hard);
}

/** The machine. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly system: string;
}

export function describeMachine(): Machine {
  const cpu = /^model name\s*:\s*(.*)$/m.exec(Deno.readTextFileSync("/proc/cpuinfo"))?.[1] ?? Deno.build.arch;
  const system = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(textOf("/etc/os-release"))?.[1] ?? Deno.build.os;
  return {
    cpu,
    cores: navigator.hardwareConcurrency,
    memoryGb: Math.round(Deno.systemMemoryInfo().total / 2 ** 30),
    kernel: Deno.osRelease(),
    system,
  };
}

function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}
