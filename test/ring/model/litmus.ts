/**
 * Small programs for the explorer: two or three processes, and what they saw.
 * Runs on: any; runtime API: none
 */
import { explore, type World } from "./explorer.ts";
import { buildOn, Machine, type Sharing, type Steps } from "./machine.ts";

/** What a program's processes note, in the order of the names. */
export type Registers = Record<string, number | string>;

/** Makes the processes of a program; memory is made with `SharedArrayBuffer` of the model. */
export type Program = (registers: Registers) => readonly Steps[];

class LitmusWorld implements World {
  readonly machine: Machine;
  readonly registers: Registers = {};
  readonly mortal = -1;
  readonly hasTimers = false;
  readonly fault = null;

  constructor(program: Program, sharing: Sharing) {
    this.machine = new Machine(sharing);
    buildOn(this.machine);
    const processes = program(this.registers);
    for (const [index, steps] of processes.entries()) this.machine.add(`p${index}`, steps);
    for (const process of this.machine.processes) this.machine.begin(process);
  }

  onDeath(): void {}
  fireTimers(): void {}

  finish(): string | null {
    for (const process of this.machine.processes) {
      if (!process.isDone) this.registers[process.name] = "sleeps";
    }
    return null;
  }
}

/** Every way that a program can end, sorted: `name=value` of all registers. */
export function outcomesOf(program: Program, preemptions = 4): string[] {
  const { outcomes, fault, complete } = explore(
    (sharing) => new LitmusWorld(program, sharing),
    { preemptions, executions: 200_000 },
    ({ registers }) => Object.keys(registers).sort().map((name) => `${name}=${registers[name]}`).join(" "),
  );
  if (fault !== null) throw new Error(fault);
  if (!complete) throw new Error("there are more executions than expected");
  return [...outcomes.keys()].sort();
}
