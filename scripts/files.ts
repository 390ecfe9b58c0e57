/**
 * Lists files for the checks.
 */

const SKIPPED = new Set(["node_modules", "npm", "coverage", "uploads"]);

/**
 * The files below a folder whose names end in `ending`, sorted; none when the folder does not exist.
 * Hidden folders and what is built or installed are passed over.
 */
export function filesIn(folder: string, ending: string): string[] {
  const files: string[] = [];
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(folder)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return files;
    throw error;
  }
  for (const { name, isDirectory } of entries) {
    if (name.startsWith(".") || SKIPPED.has(name)) continue;
    const path = folder === "." ? name : `${folder}/${name}`;
    if (isDirectory) files.push(...filesIn(path, ending));
    else if (name.endsWith(ending)) files.push(path);
  }
  return files.sort();
}

/** Prints the faults of a check and ends the process: exit code 1 when there are any. */
export function finishCheck(faults: readonly string[], whenFine: string): never {
  for (const fault of faults) console.error(fault);
  console.error(faults.length === 0 ? whenFine : `${faults.length} faults`);
  Deno.exit(faults.length === 0 ? 0 : 1);
}
