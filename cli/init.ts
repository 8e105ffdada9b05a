import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { InsideoutError } from '../core/errors.ts';
import { configNames } from '../daemon/config/load.ts';
import { globals } from './context.ts';
import { report } from './output.ts';

export function initCommand(): Command {
  return new Command('init')
    .description('write a commented config with a view into this folder')
    .option('--yaml', 'write YAML instead of TypeScript')
    .action((options: { yaml?: boolean }, command: Command) => {
      const name = options.yaml ? 'insideout.config.yaml' : 'insideout.config.ts';
      const file = join(process.cwd(), name);
      const there = configNames.find((other) => existsSync(join(process.cwd(), other)));
      if (there)
        throw new InsideoutError('USAGE', `${there} is there already.`, {
          hint: 'Edit it, or remove it first.',
        });
      writeFileSync(file, options.yaml ? yaml : typescript, { flag: 'wx' });
      report(
        globals(command).json,
        { file },
        () =>
          `wrote ${name}\nnext: set DATABASE_URL, edit the table and the view, then run \`npx insideout doctor\` and \`npx insideout up\``,
      );
    });
}

const typescript = `import { defineConfig, embedded, postgres, sqlite, view } from 'insideout';

export default defineConfig({
  sources: {
    // The name is the prefix of the topics: app.public.customers.
    app: postgres({
      // Secrets come from the environment.
      url: process.env.DATABASE_URL ?? '',
      // A publication for these tables and a slot are created at the first start.
      tables: ['public.customers'],
    }),
  },
  // The Log is a SQLite file; kafka({ brokers: [...], registry: { url } }) for more than one machine.
  log: embedded({ path: '.insideout/log.db' }),
  stores: {
    // \`sqlite3 .insideout/views.db 'select * from customer_card'\`
    local: sqlite({ path: '.insideout/views.db' }),
  },
  views: [
    view({
      name: 'customer_card',
      from: 'app.public.customers',
      store: 'local',
      // The primary key of the table.
      key: ['id'],
      // What is stored, and with which types.
      columns: { id: 'bigint', name: 'text', email: 'text' },
      // Optional: make the row yourself, or return null to leave it out.
      row: (customer) => ({ name: customer.name, email: customer.email?.toLowerCase() ?? null }),
    }),
  ],
});
`;

const yaml = `sources:
  # The name is the prefix of the topics: app.public.customers.
  app:
    kind: postgres
    # Secrets come from the environment.
    url: \${DATABASE_URL}
    # A publication for these tables and a slot are created at the first start.
    tables: [public.customers]
# The Log is a SQLite file; kind: kafka with brokers and registry for more than one machine.
log:
  kind: embedded
  path: .insideout/log.db
stores:
  local:
    kind: sqlite
    path: .insideout/views.db
views:
  - name: customer_card
    from: app.public.customers
    store: local
    # The primary key of the table.
    key: [id]
    # What is stored, and with which types. A row function needs a .ts or .js config.
    columns: { id: bigint, name: text, email: text }
`;
