import type { Command } from 'commander';

/** In the order of the help. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  init: async () => (await import('./init.ts')).initCommand(),
  doctor: async () => (await import('./doctor.ts')).doctorCommand(),
  up: async () => (await import('./up.ts')).upCommand(),
  source: async () => (await import('./source.ts')).sourceCommand(),
  view: async () => (await import('./view.ts')).viewCommand(),
  status: async () => (await import('./status.ts')).statusCommand(),
  get: async () => (await import('./get.ts')).getCommand(),
  token: async () => (await import('./token.ts')).tokenCommand(),
  plan: async () => (await import('./plan.ts')).planCommand(),
  rebuild: async () => (await import('./rebuild.ts')).rebuildCommand(),
  promote: async () => (await import('./promote.ts')).promoteCommand(),
  rollback: async () => (await import('./promote.ts')).rollbackCommand(),
  generations: async () => (await import('./generations.ts')).generationsCommand(),
  retire: async () => (await import('./retire.ts')).retireCommand(),
  history: async () => (await import('./history.ts')).historyCommand(),
  subjects: async () => (await import('./subjects.ts')).subjectsCommand(),
  erase: async () => (await import('./erase.ts')).eraseCommand(),
  erasures: async () => (await import('./erasure.ts')).erasuresCommand(),
  erasure: async () => (await import('./erasure.ts')).erasureCommand(),
  delete: async () => (await import('./delete.ts')).deleteCommand(),
  slot: async () => (await import('./slot.ts')).slotCommand(),
  dlq: async () => (await import('./dlq.ts')).dlqCommand(),
};

/**
 * The commands that the arguments may mean. Only these are loaded: with all of them a start takes half a second more.
 * Help and what is no command need them all.
 */
export function commandsFor(args: readonly string[]): Promise<Command[]> {
  const named = Object.entries(commands).filter(([name]) => args.includes(name));
  const all = named.length === 0 || args.some((arg) => ['help', '--help', '-h'].includes(arg));
  return Promise.all((all ? Object.entries(commands) : named).map(([, load]) => load()));
}
